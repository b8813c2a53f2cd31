"""Waiting for something, unless the worker stops first."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def unless(stopping: asyncio.Event, wait: Coroutine[Any, Any, object]) -> bool:
    """Wait until `wait` returns or the worker stops; True when it was `wait`. The other one is cancelled."""
    waiting = asyncio.ensure_future(wait)
    stop = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait({waiting, stop}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            waiting.result()  # its error is ours
            return True
        return False
    finally:
        for each in (waiting, stop):
            each.cancel()
        await asyncio.gather(waiting, stop, return_exceptions=True)


async def pause(stopping: asyncio.Event, seconds: float) -> bool:
    """Sleep; True when the time is over, False when the worker stops."""
    return await unless(stopping, asyncio.sleep(seconds))
