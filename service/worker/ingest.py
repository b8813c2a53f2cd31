"""Ingest: uploads become tracks. One item is one task, under one lease from the first read to the last write."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio
from anyio.abc import TaskGroup

from index.errors import NotDurable, StoreUnavailable
from index.records.work import Entry, Lease, Work
from model.errors import DeviceFailed
from service.errors import Problem
from service.metrics import WorkerMetrics
from service.worker.batcher import BatcherClosed
from service.worker.item_encoder import ItemEncoder, LostItem, RefusedItem
from service.worker.outage import outlast
from service.worker.stopping import unless

logger = logging.getLogger(__name__)
GIVE_BACK_S = 5.0  # a job that cannot be given back by then comes free when its lease runs out


@dataclass(frozen=True, slots=True)
class IngestPolicy:
    """How much a worker takes on, and how it keeps and gives up a job."""

    most_in_flight: int  # one lot in the encoder and one being decoded
    lease_s: float
    renew_s: float
    retry_delay_s: float  # before the second attempt; doubles each time
    block_ms: int = 500  # a stopping worker finishes its read, so this is also what stopping may cost


@dataclass(slots=True, eq=False)
class _Held:
    """An item under work. Cancelling `scope` stops work on it, because its lease was lost or the worker stops."""

    lease: Lease
    scope: anyio.CancelScope
    lost: bool = False  # the lease belongs to somebody else
    finishing: bool = False  # the script that ends it is under way, and will say whether it is ours


class Ingest:
    """Takes jobs, keeps their leases alive, and ends each in exactly one way: done, retrying, dead or lost."""

    def __init__(
        self,
        work: Work,
        item_encoder: ItemEncoder,
        metrics: WorkerMetrics,
        policy: IngestPolicy,
        *,
        retry_planned: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        """`retry_planned` and `lost` are told when that happens to a job: others have something to do then."""
        self._work = work
        self._item_encoder = item_encoder
        self._metrics = metrics
        self._policy = policy
        self._retry_planned = retry_planned
        self._tell_lost = lost
        self._n_running = 0
        self._held: list[_Held] = []
        self._freed = asyncio.Event()
        self._next_take_over = 0.0

    async def run(self, stopping: asyncio.Event, drain_s: float) -> None:
        """Work until told to stop; then finish what was begun, for `drain_s` at most, and give the rest back."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._renew_all)
            while not stopping.is_set():
                await self._read(stopping, group)
            await self._drain(drain_s)
            group.cancel_scope.cancel()

    async def _read(self, stopping: asyncio.Event, group: TaskGroup) -> None:
        self._freed.clear()
        room = self._policy.most_in_flight - self._n_running
        if room <= 0:
            await unless(stopping, self._freed.wait())
            return
        try:
            entries = await outlast(lambda: self._take(room), give_up=stopping.is_set)
        except StoreUnavailable:
            return  # stopping, and there is nothing to take anything from
        for entry in entries:
            self._n_running += 1
            group.start_soon(self._work_on, entry)

    async def _take(self, room: int) -> list[Entry]:
        if time.monotonic() >= self._next_take_over:
            self._next_take_over = time.monotonic() + self._policy.renew_s
            left_behind = await self._work.take_over(room)
            if left_behind:
                return left_behind
        return await self._work.take(room, self._policy.block_ms)

    async def _work_on(self, entry: Entry) -> None:
        try:
            lease = await outlast(lambda: self._work.begin(entry))
            if lease is not None:
                await self._hold(lease)
        finally:
            self._n_running -= 1
            self._freed.set()

    async def _hold(self, lease: Lease) -> None:
        held = _Held(lease, anyio.CancelScope())
        self._held.append(held)
        try:
            with held.scope:
                await self._ingest(held)
        except asyncio.CancelledError:
            await self._give_back(lease)
            raise
        finally:
            self._held.remove(held)
        if held.scope.cancelled_caught:
            await (self._lost(lease) if held.lost else self._give_back(lease))

    async def _ingest(self, held: _Held) -> None:
        """Encode and finish, or note why not."""
        lease = held.lease
        try:
            track = await self._item_encoder.track_of(lease.item)
            held.finishing = True
            version = await outlast(lambda: self._work.finish(lease, [track]))
        except NotDurable as error:
            # It is written and, by all but the disk's word, done; there is nothing to give back.
            logger.error("job %s: %s", lease.entry.job_id, error)
            self._metrics.count_job("done")
        except (DeviceFailed, BatcherClosed):
            await self._give_back(lease)  # this worker is about to end
        except LostItem:
            await self._lost(lease)
        except RefusedItem as refused:
            await self._refuse(lease, refused)
        except Exception as error:
            detail = f"attempt {lease.attempt} failed with {type(error).__name__}; the worker's log says why"
            await self._retry(lease, error, Problem(500, "ingest_failed", detail).body())
        else:
            if version is None:
                await self._lost(lease)
            else:
                self._metrics.count_job("done")

    async def _lost(self, lease: Lease) -> None:
        """Erased, cancelled or taken over meanwhile: nothing of it was written, and nothing may stay behind."""
        logger.info("job %s is no longer ours", lease.entry.job_id)
        await self._item_encoder.clean_up(lease.item)
        self._metrics.count_job("lost")
        self._tell_lost()

    async def _refuse(self, lease: Lease, refused: RefusedItem) -> None:
        """The media are at fault: no attempt will go better, so the job is dead and its media are erased."""
        if refused.perhaps_not and lease.attempt == 1:
            await self._retry(lease, refused, refused.problem)
            return
        logger.info("job %s: %s", lease.entry.job_id, refused)
        if await outlast(lambda: self._work.fail(lease, refused.problem, retry_in_s=None)) is None:
            await self._lost(lease)
            return
        await self._item_encoder.erase_media(lease.item)
        self._metrics.count_job("dead")

    async def _retry(self, lease: Lease, error: Exception, problem: dict[str, Any]) -> None:
        logger.error("job %s: attempt %d failed", lease.entry.job_id, lease.attempt, exc_info=error)
        delay_s = self._policy.retry_delay_s * 2 ** (lease.attempt - 1)
        state = await outlast(lambda: self._work.fail(lease, problem, retry_in_s=delay_s))
        if state is None:
            await self._lost(lease)
            return
        self._metrics.count_job(state)
        self._retry_planned()

    async def _give_back(self, lease: Lease) -> None:
        """The worker stops before the item is done: another one may have it at once."""
        detail = f"the worker stopped during attempt {lease.attempt}; the job is tried again"
        problem = Problem(503, "worker_stopped", detail).body()
        with anyio.move_on_after(GIVE_BACK_S, shield=True):
            try:
                await self._work.fail(lease, problem, retry_in_s=0)
            except StoreUnavailable:
                logger.warning("job %s could not be given back; its lease runs out", lease.entry.job_id)

    async def _renew_all(self) -> None:
        """Keep the leases of all items under work; stop work on those that are lost."""
        while True:
            await asyncio.sleep(self._policy.renew_s)
            for held in [held for held in self._held if not held.finishing]:
                await self._renew(held)

    async def _renew(self, held: _Held) -> None:
        ours = await outlast(lambda: self._work.renew(held.lease))
        if not ours and held in self._held and not held.finishing and not held.lost:
            held.lost = True
            held.scope.cancel()

    async def _drain(self, drain_s: float) -> None:
        with anyio.move_on_after(drain_s):
            await self._until_idle()
        if self._held:
            logger.warning("%d items are given back unfinished", len(self._held))
        for held in self._held:
            held.scope.cancel()
        with anyio.move_on_after(GIVE_BACK_S):
            await self._until_idle()

    async def _until_idle(self) -> None:
        while self._n_running:
            self._freed.clear()
            await self._freed.wait()
