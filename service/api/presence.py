"""Waiting for something while the client waits too, and no longer than it does."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.requests import Request

from service.api.uploads import ClientGone

T = TypeVar("T")


async def while_present(request: Request, awaited: Awaitable[T], timeout_s: float) -> T:
    """The result of `awaited`. The request's body must have been read to its end.

    Raises:
        TimeoutError: it took longer than `timeout_s`.
        ClientGone: the client left first.
    """
    work = asyncio.ensure_future(awaited)
    # After the body the only message left to receive is that the client is gone.
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({work, gone}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        if gone.done():
            raise ClientGone
        raise TimeoutError
    finally:
        gone.cancel()
        work.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
