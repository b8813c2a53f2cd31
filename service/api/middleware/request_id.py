"""Every request has an id: the client's, if it is a sane one, else a new one. It is on every response."""

import re
import secrets

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.visit import begin_visit

_SANE = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class RequestId:
    """Outermost: starts the record of the request that the others fill."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        request_id = given if _SANE.fullmatch(given) else secrets.token_hex(8).encode()
        begin_visit(scope, request_id.decode())

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        await self.app(scope, receive, send_with_id)
