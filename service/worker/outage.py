"""Outlasting a store that is away for a while."""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_never, wait_exponential_jitter

from index.errors import StoreUnavailable

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")


async def outlast(call: Callable[[], Awaitable[Answer]], *, give_up: Callable[[], bool] | None = None) -> Answer:
    """Await `call()` again and again until the store answers; any other error passes through.

    Only for calls that may be repeated after the store did them without our seeing the answer.

    Raises:
        StoreUnavailable: the store does not answer, and `give_up()` says that nobody wants to wait for it any more.
    """
    stop = stop_never if give_up is None else (lambda _: give_up())
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(StoreUnavailable),
        wait=wait_exponential_jitter(multiplier=0.1, max=2.0, jitter=0.1),
        stop=stop,
        before_sleep=_log_first,
        reraise=True,
    ):
        with attempt:
            return await call()
    raise AssertionError("unreachable: the last attempt returns or raises")


def _log_first(state: RetryCallState) -> None:
    if state.attempt_number == 1 and state.outcome is not None:
        logger.warning("the store does not answer, trying until it does: %s", state.outcome.exception())
