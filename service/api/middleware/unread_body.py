"""An answer given before the body was read still reaches a client that is busy sending it."""

import asyncio
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

DRAIN_BYTES: Final = 8 * 2**20
DRAIN_S: Final = 2.0


class UnreadBody:
    """Ends the connection politely when the answer came before the end of the body.

    Closing a socket with unread bytes resets it, and the reset can overtake the answer. So the answer is sent whole,
    then what still comes is thrown away for a moment, then the connection is closed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(scope):
            await self.app(scope, receive, send)
            return
        body_read = False
        closing = False

        async def watched_receive() -> Message:
            nonlocal body_read
            message = await receive()
            body_read = body_read or not message.get("more_body", False)
            return message

        async def careful_send(message: Message) -> None:
            nonlocal closing
            if message["type"] == "http.response.start" and not body_read:
                closing = True
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            if closing and message["type"] == "http.response.body" and not message.get("more_body", False):
                await send({**message, "more_body": True})
                await _drain(watched_receive)
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        await self.app(scope, watched_receive, careful_send)


def _has_body(scope: Scope) -> bool:
    return any(
        (name == b"content-length" and value != b"0") or name == b"transfer-encoding"
        for name, value in scope["headers"]
    )


async def _drain(receive: Receive) -> None:
    thrown_away = 0
    try:
        async with asyncio.timeout(DRAIN_S):
            while thrown_away < DRAIN_BYTES:
                message = await receive()
                thrown_away += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return
