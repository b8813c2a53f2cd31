"""Ingest: uploads become tracks. One item is one task, under one lease from the first read to the last write."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from index.errors import StoreUnavailable
from index.records.work import Entry, Lease, Work
from service.metrics import WorkerMetrics
from service.worker.item_encoder import ItemEncoder, LostItem, RefusedItem
from service.worker.outage import outlast
from service.worker.stopping import unless

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class IngestPolicy:
    """How much a worker takes on, and how it keeps and gives up a job."""

    most_in_flight: int  # one lot in the encoder and one being decoded
    lease_s: float
    renew_s: float
    retry_delay_s: float  # before the second attempt; doubles each time
    block_ms: int = 1000  # a stopping worker finishes its read, so this is also what stopping may cost


@dataclass(slots=True, eq=False)
class _Held:
    """An item under work; `lost` once its lease belongs to somebody else."""

    lease: Lease
    task: asyncio.Task[None]
    lost: bool = False


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
    ) -> None:
        self._work = work
        self._item_encoder = item_encoder
        self._metrics = metrics
        self._policy = policy
        self._retry_planned = retry_planned
        self._running: set[asyncio.Task[None]] = set()
        self._held: list[_Held] = []
        self._freed = asyncio.Event()
        self._next_take_over = 0.0

    async def run(self, stopping: asyncio.Event, drain_s: float) -> None:
        """Work until told to stop; then finish what was begun, for `drain_s` at most, and give the rest back."""
        async with asyncio.TaskGroup() as group:
            renewing = group.create_task(self._renew_all())
            while not stopping.is_set():
                await self._read(stopping, group)
            await self._drain(drain_s)
            renewing.cancel()

    async def _read(self, stopping: asyncio.Event, group: asyncio.TaskGroup) -> None:
        self._freed.clear()
        room = self._policy.most_in_flight - len(self._running)
        if room <= 0:
            await unless(stopping, self._freed.wait())
            return
        try:
            entries = await outlast(lambda: self._take(room), give_up=stopping.is_set)
        except StoreUnavailable:
            return  # stopping, and there is nothing to take anything from
        for entry in entries:
            task = group.create_task(self._work_on(entry))
            self._running.add(task)
            task.add_done_callback(self._ended)

    async def _take(self, room: int) -> list[Entry]:
        if time.monotonic() >= self._next_take_over:
            self._next_take_over = time.monotonic() + self._policy.renew_s
            left_behind = await self._work.take_over(room)
            if left_behind:
                return left_behind
        return await self._work.take(room, self._policy.block_ms)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._freed.set()

    async def _work_on(self, entry: Entry) -> None:
        lease = await outlast(lambda: self._work.begin(entry))
        task = asyncio.current_task()
        assert task is not None
        if lease is None:
            return
        held = _Held(lease, task)
        self._held.append(held)
        try:
            await self._ingest(lease)
        except asyncio.CancelledError:
            if held.lost:
                task.uncancel()
                await self._item_encoder.clean_up(lease.item)
                self._metrics.count_job("lost")
            else:
                await self._give_back(lease)
                raise
        finally:
            self._held.remove(held)

    async def _ingest(self, lease: Lease) -> None:
        """Encode and finish, or note why not."""
        try:
            track = await self._item_encoder.track_of(lease.item)
            version = await self._work.finish(lease, [track])
        except StoreUnavailable as error:
            # What was written is not known. If it was not, the lease runs out and the job is taken over.
            logger.warning("job %s: the store went away: %s", lease.entry.job_id, error)
        except LostItem:
            await self._lost(lease)
        except RefusedItem as refused:
            await self._refuse(lease, refused)
        except Exception as error:
            await self._retry(lease, error)
        else:
            if version is None:
                await self._lost(lease)
            else:
                self._metrics.count_job("done")

    async def _lost(self, lease: Lease) -> None:
        """Erased, cancelled or taken over meanwhile: nothing of it was written, and nothing may stay behind."""
        logger.info("job %s is no longer ours", lease.entry.job_id)
        self._metrics.count_job("lost")
        await self._item_encoder.clean_up(lease.item)

    async def _refuse(self, lease: Lease, refused: RefusedItem) -> None:
        """The media are at fault: no attempt will go better, so the job is dead and its media are erased."""
        logger.info("job %s: %s", lease.entry.job_id, refused)
        if await outlast(lambda: self._work.fail(lease, refused.problem, retry_in_s=None)) is None:
            await self._lost(lease)
            return
        await self._item_encoder.erase_media(lease.item)
        self._metrics.count_job("dead")

    async def _retry(self, lease: Lease, error: Exception) -> None:
        logger.error("job %s: attempt %d failed", lease.entry.job_id, lease.attempt, exc_info=error)
        delay_s = self._policy.retry_delay_s * 2 ** (lease.attempt - 1)
        problem = {
            "status": 500,
            "code": "ingest_failed",
            "title": "ingest failed",
            "detail": f"attempt {lease.attempt} failed with {type(error).__name__}; the worker's log says why",
        }
        state = await outlast(lambda: self._work.fail(lease, problem, retry_in_s=delay_s))
        if state is None:
            await self._lost(lease)
            return
        self._metrics.count_job(state)
        self._retry_planned()

    async def _give_back(self, lease: Lease) -> None:
        """The worker stops before the item is done: another one may have it at once."""
        problem = {
            "status": 503,
            "code": "worker_stopped",
            "title": "worker stopped",
            "detail": f"the worker stopped during attempt {lease.attempt}; the job is tried again",
        }
        try:
            await self._work.fail(lease, problem, retry_in_s=0)
        except StoreUnavailable:
            logger.warning("job %s could not be given back; its lease runs out", lease.entry.job_id)

    async def _renew_all(self) -> None:
        """Keep the leases of all items under work; stop work on those that are lost."""
        while True:
            await asyncio.sleep(self._policy.renew_s)
            for held in list(self._held):
                if held.lost:
                    continue
                if not await outlast(lambda lease=held.lease: self._work.renew(lease)) and held in self._held:
                    held.lost = True
                    held.task.cancel()

    async def _drain(self, drain_s: float) -> None:
        if not self._running:
            return
        _, late = await asyncio.wait(self._running, timeout=drain_s)
        for task in late:
            task.cancel()
        if late:
            logger.warning("%d items are given back unfinished", len(late))
            await asyncio.wait(late)
