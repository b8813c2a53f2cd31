"""One line and one count a request."""

import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.policy import PolicyTable
from service.api.visit import Visit, visit_of
from service.metrics import ApiMetrics

logger = structlog.get_logger(__name__)

CLIENT_GONE = 499  # what the log calls a request nobody waits for any more


class Access:
    """Finds the route of a request, and when it is over logs and counts it."""

    def __init__(self, app: ASGIApp, metrics: ApiMetrics, policies: PolicyTable) -> None:
        self.app = app
        self._metrics = metrics
        self._policies = policies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        visit = visit_of(scope)
        visit.route, visit.policy = self._policies.find(scope["method"], scope["path"])
        status = CLIENT_GONE

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            self._account(scope, visit, status)

    def _account(self, scope: Scope, visit: Visit, status: int) -> None:
        seconds = time.perf_counter() - visit.started
        # Methods are free text on the wire; a label takes only those that some route knows.
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.requests.labels(visit.route, method, status).inc()
        self._metrics.request_seconds.labels(visit.route, status).observe(seconds)
        logger.info(
            "request",
            request_id=visit.request_id,
            route=visit.route,
            method=method,
            status=status,
            seconds=round(seconds, 6),
            key=visit.caller_id,
            **visit.note,
        )


_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS"})
