"""What this worker tells the others, every few seconds and with a short life."""

import logging

import anyio
from redis.asyncio import Redis

from index.errors import StoreUnavailable
from index.records.processes import Processes, ProcessReport
from service.metrics import WorkerMetrics
from service.worker.clock import ServerClock
from service.worker.snapshots import Snapshots
from service.worker.view import GalleryView

logger = logging.getLogger(__name__)
EVERY_S = 3.0
LIFE_S = 10.0  # three beats may be late


class Heartbeats:
    """Publishes this worker's report; at once when it becomes ready or ceases to be, or keeps newer snapshots."""

    def __init__(
        self,
        name: str,
        space_id: str,
        processes: Processes,
        view: GalleryView,
        snapshots: Snapshots,
        clock: ServerClock,
        redis: Redis,
        metrics: WorkerMetrics,
    ) -> None:
        self._name = name
        self._space_id = space_id
        self._processes = processes
        self._view = view
        self._snapshots = snapshots
        self._clock = clock
        self._redis = redis
        self._metrics = metrics

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            self._view.report_due.clear()
            try:
                await self._clock.sync(self._redis)
                await self._publish()
            except StoreUnavailable as error:
                logger.info("a heartbeat was missed: %s", error)
            with anyio.move_on_after(EVERY_S):
                await self._view.report_due.wait()

    async def end(self) -> None:
        """Take the report away: this worker is gone from now on, not in ten seconds."""
        with anyio.move_on_after(EVERY_S, shield=True):
            try:
                await self._processes.remove(self._name)
            except StoreUnavailable:
                logger.info("the last report could not be taken away; it expires by itself")

    async def _publish(self) -> None:
        report = ProcessReport(
            name=self._name,
            role="worker",
            space_id=self._space_id,
            applied_seq=self._view.version,
            snapshot_seq=self._snapshots.oldest,
            ready=self._view.ready,
            metrics=self._metrics.text(),
            updated_ms=round(self._clock.now_ms()),
        )
        await self._processes.publish(report, ttl_s=LIFE_S)
