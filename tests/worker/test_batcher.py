"""The batcher on an event loop with a real core thread; the core is a function whose pace the test sets."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from service.worker.batcher import (
    Batcher,
    BatcherClosed,
    BatchReport,
    DeadlineExceeded,
    WrongOutputCount,
)
from service.worker.lanes import BatchPolicy

NEVER_BEFORE = -1.0


class DeviceGone(Exception):
    pass


class Doubler:
    """A core that doubles numbers, notes its batches, and waits at a gate while it is shut."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def __call__(self, items: list[int]) -> list[int]:
        self.entered.set()
        self.gate.wait()
        self.batches.append(items)
        if 13 in items:
            raise ValueError("thirteen")
        if 666 in items:
            raise DeviceGone("sticky")
        return [2 * item for item in items] if 7 not in items else [0]

    async def shut(self, batcher: "Batcher[int, int]") -> "asyncio.Future[object]":
        """Keep the core busy with one item, so that what comes next has to wait in the line."""
        self.gate.clear()
        self.entered.clear()
        blocker = batcher.submit([0], lane="query", bucket=1)
        await asyncio.to_thread(self.entered.wait)
        return blocker  # type: ignore[return-value]


@asynccontextmanager
async def running(
    core: Callable[[list[int]], Sequence[int]],
    policy: BatchPolicy | None = None,
    observe: Callable[[BatchReport], None] | None = None,
) -> "AsyncIterator[Batcher[int, int]]":
    batcher: Batcher[int, int] = Batcher(core, policy or BatchPolicy(), fatal=(DeviceGone,), observe=observe)
    await batcher.start()
    try:
        yield batcher
    finally:
        await batcher.stop()


async def test_many_requests_share_batches_and_keep_their_order() -> None:
    core = Doubler()
    async with running(core, BatchPolicy(batch_items=4)) as batcher:
        blocker = await core.shut(batcher)
        waiting = [batcher.submit([n, n + 100], lane="query", bucket=1) for n in range(20, 25)]
        core.gate.set()
        answers = [(await promise).results for promise in waiting]
        await blocker
    assert answers == [[2 * n, 2 * n + 200] for n in range(20, 25)]
    assert [len(batch) for batch in core.batches] == [1, 4, 4, 2]


async def test_an_idle_batcher_waits_for_nobody() -> None:
    core = Doubler()
    async with running(core, BatchPolicy(batch_items=32)) as batcher:
        assert (await batcher.submit([1], lane="query", bucket=1)).results == [2]
    assert core.batches == [[1]]


async def test_with_a_wait_the_first_item_gets_company() -> None:
    core = Doubler()
    async with running(core, BatchPolicy(batch_items=2, batch_wait_s=30.0)) as batcher:
        first = batcher.submit([1], lane="query", bucket=1)
        second = batcher.submit([2], lane="query", bucket=1)
        await asyncio.gather(first, second)
    assert core.batches == [[1, 2]]


async def test_stopping_ends_the_wait_for_company() -> None:
    core = Doubler()
    async with running(core, BatchPolicy(batch_items=2, batch_wait_s=3600.0)) as batcher:
        promise = batcher.submit([1], lane="query", bucket=1)
    assert promise.result().results == [2]


async def test_poison_spares_the_rest_and_the_core_lives() -> None:
    core = Doubler()
    async with running(core) as batcher:
        blocker = await core.shut(batcher)
        waiting = [batcher.submit([n], lane="query", bucket=1) for n in (12, 13, 14)]
        core.gate.set()
        before, poison, after = await asyncio.gather(*waiting, return_exceptions=True)
        await blocker
        assert not isinstance(before, BaseException) and before.results == [24]
        assert isinstance(poison, ValueError)
        assert not isinstance(after, BaseException) and after.results == [28]
        assert (await batcher.submit([15], lane="query", bucket=1)).results == [30]


async def test_a_request_that_failed_in_part_is_not_run_further() -> None:
    core = Doubler()
    async with running(core, BatchPolicy(batch_items=2)) as batcher:
        with pytest.raises(ValueError, match="thirteen"):
            await batcher.submit([1, 13, 3, 4, 5, 6], lane="query", bucket=1)
    assert all(item not in batch for batch in core.batches for item in (5, 6))


async def test_a_wrong_number_of_results_is_an_error_of_the_one_who_causes_it() -> None:
    core = Doubler()
    async with running(core) as batcher:
        blocker = await core.shut(batcher)
        good, bad = (batcher.submit(items, lane="query", bucket=1) for items in ([5, 6], [7, 8]))
        core.gate.set()
        assert (await good).results == [10, 12]
        with pytest.raises(WrongOutputCount, match="2 items went in and 1 results came out"):
            await bad
        await blocker


async def test_a_deadline_is_looked_at_when_its_turn_comes() -> None:
    core = Doubler()
    async with running(core) as batcher:
        late = batcher.submit([1], lane="query", bucket=1, deadline=NEVER_BEFORE)
        with pytest.raises(DeadlineExceeded):
            await late
    assert core.batches == []


async def test_a_cancelled_request_is_not_run() -> None:
    core = Doubler()
    async with running(core) as batcher:
        blocker = await core.shut(batcher)
        gone = batcher.submit([1], lane="query", bucket=1)
        kept = batcher.submit([2], lane="query", bucket=1)
        gone.cancel()
        core.gate.set()
        await asyncio.gather(blocker, kept)
    assert core.batches == [[0], [2]]


async def test_stop_finishes_what_waits_and_takes_nothing_more() -> None:
    core = Doubler()
    batcher: Batcher[int, int] = Batcher(core, BatchPolicy(batch_items=2))
    await batcher.start()
    blocker = await core.shut(batcher)
    waiting = [batcher.submit([n], lane="ingest", bucket=1) for n in range(1, 6)]
    stopping = asyncio.create_task(batcher.stop())
    await asyncio.sleep(0)
    with pytest.raises(BatcherClosed):
        batcher.submit([9], lane="query", bucket=1)
    core.gate.set()
    await stopping
    assert blocker.done()
    assert [promise.result().results for promise in waiting] == [[2], [4], [6], [8], [10]]
    await batcher.watch()


async def test_a_dead_device_ends_the_batcher_and_leaves_no_future_open() -> None:
    core = Doubler()
    batcher: Batcher[int, int] = Batcher(core, BatchPolicy(batch_items=1), fatal=(DeviceGone,))
    await batcher.start()
    blocker = await core.shut(batcher)
    waiting = [batcher.submit([n], lane="query", bucket=1) for n in (1, 666, 3)]
    core.gate.set()
    with pytest.raises(DeviceGone):
        await batcher.watch()
    first, dead, behind = await asyncio.gather(*waiting, return_exceptions=True)
    assert not isinstance(first, BaseException) and first.results == [2]
    assert isinstance(dead, DeviceGone) and isinstance(behind, DeviceGone)
    with pytest.raises(BatcherClosed):
        batcher.submit([4], lane="query", bucket=1)
    await blocker
    await batcher.stop()


async def test_an_observer_sees_each_batch_and_may_fail() -> None:
    seen: list[BatchReport] = []

    def observe(report: BatchReport) -> None:
        seen.append(report)
        raise RuntimeError("an observer's own trouble")

    async with running(Doubler(), observe=observe) as batcher:
        await batcher.submit([1, 2], lane="ingest", bucket=1)
        await batcher.submit([3], lane="query", bucket=1)
    assert [(report.lane, report.n_items) for report in seen] == [("ingest", 2), ("query", 1)]
    assert all(report.core_s >= 0 and report.queued_s >= 0 for report in seen)


async def test_the_core_thread_prepares_itself_before_anything_runs() -> None:
    threads: list[int] = []

    def core(items: list[int]) -> list[int]:
        threads.append(threading.get_ident())
        return items

    batcher: Batcher[int, int] = Batcher(core, BatchPolicy(), prepare=lambda: threads.append(threading.get_ident()))
    await batcher.start()
    await batcher.submit([1], lane="query", bucket=1)
    await batcher.stop()
    assert len(threads) == 2
    assert threads[0] == threads[1] != threading.get_ident()


async def test_a_failed_preparation_closes_the_batcher() -> None:
    def prepare() -> None:
        raise DeviceGone("no such device")

    batcher: Batcher[int, int] = Batcher(Doubler(), BatchPolicy(), prepare=prepare)
    with pytest.raises(DeviceGone, match="no such device"):
        await batcher.start()
    with pytest.raises(BatcherClosed):
        batcher.submit([1], lane="query", bucket=1)
