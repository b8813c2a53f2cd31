"""Waiting unless the worker stops, and outlasting a store that is away."""

import asyncio

import pytest

from index.errors import NotFound, StoreUnavailable
from service.worker.outage import outlast
from service.worker.stopping import pause, unless


async def test_the_wait_that_ends_first_counts_and_the_other_is_cancelled() -> None:
    stopping, cancelled = asyncio.Event(), asyncio.Event()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    assert await pause(stopping, 0.0)
    stopping.set()
    assert not await unless(stopping, forever())
    assert cancelled.is_set()


async def test_an_error_of_the_wait_is_not_swallowed() -> None:
    async def fail() -> None:
        raise NotFound("item", "x")

    with pytest.raises(NotFound):
        await unless(asyncio.Event(), fail())


async def test_an_outage_is_outlasted() -> None:
    answers = [StoreUnavailable("away"), StoreUnavailable("still away"), 7]

    async def call() -> int:
        answer = answers.pop(0)
        if isinstance(answer, StoreUnavailable):
            raise answer
        assert isinstance(answer, int)
        return answer

    assert await outlast(call) == 7


async def test_other_errors_pass_and_so_does_the_outage_when_nobody_waits_any_more() -> None:
    async def missing() -> None:
        raise NotFound("item", "x")

    async def away() -> None:
        raise StoreUnavailable("away")

    with pytest.raises(NotFound):
        await outlast(missing)
    with pytest.raises(StoreUnavailable):
        await outlast(away, give_up=lambda: True)
