"""The one place where errors become answers."""

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.handlers import problem_of, problem_response
from service.api.uploads import ClientGone
from service.api.visit import visit_of
from service.errors import Problem
from service.metrics import ApiMetrics

logger = structlog.get_logger(__name__)


class Errors:
    """Answers every error from below as a problem; what nobody foresaw is logged with its traceback: 500."""

    def __init__(self, app: ASGIApp, metrics: ApiMetrics) -> None:
        self.app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except ClientGone:
            return  # nobody is there to be answered
        except Exception as error:
            if started:
                # Too late for a status: the broken connection is the answer, and the server logs the error.
                raise
            problem = problem_of(error, Request(scope)) or self._unforeseen(scope, error)
            self._metrics.rejected.labels(problem.code).inc()
            visit = visit_of(scope)
            if isinstance(error, OSError) and problem.status == 503:  # the answer does not name the file; this does
                logger.error("the media store fails", request_id=visit.request_id, code=problem.code, error=str(error))
            visit.note["code"] = problem.code
            await problem_response(problem, visit.request_id)(scope, receive, watch)

    @staticmethod
    def _unforeseen(scope: Scope, error: Exception) -> Problem:
        visit = visit_of(scope)
        logger.error("unforeseen error", request_id=visit.request_id, route=visit.route, exc_info=error)
        return Problem(
            500,
            "internal_error",
            "the service made a mistake of its own, nothing is wrong with the request: "
            f"its log tells more under request id {visit.request_id}",
        )
