"""Completes the proof that an erased item is gone: from every index, snapshot, file and log."""

import asyncio
import logging
from collections.abc import Sequence

import anyio
from redis.asyncio import Redis

from index.errors import StoreUnavailable
from index.records.erase import Erasure, OpenErasure
from index.records.log import Log
from index.records.processes import Processes, ProcessReport
from service.media import MediaStore
from service.worker.persistence import RewriteFailed, rewrite_append_only_file
from service.worker.snapshots import Snapshots
from service.worker.view import GalleryView

logger = logging.getLogger(__name__)
LOOK_S = 3.0  # while an erasure is open: as often as workers report how far they are
IDLE_S = 10.0  # otherwise; an erased track or a lost job cuts it short
AGAIN_S = 60.0  # after a rewrite that failed


class Erasures:
    """Looks after open erasures. Every worker brings its own snapshots forward; one of them does what is shared.

    That one is the live worker whose name comes first. Two that both believe it only do the same work twice.
    """

    def __init__(
        self,
        worker: str,
        space_id: str,
        erasure: Erasure,
        log: Log,
        processes: Processes,
        view: GalleryView,
        snapshots: Snapshots,
        media: MediaStore,
        redis: Redis,
    ) -> None:
        self._worker = worker
        self._space_id = space_id
        self._erasure = erasure
        self._log = log
        self._processes = processes
        self._view = view
        self._snapshots = snapshots
        self._media = media
        self._redis = redis

    async def run(self) -> None:
        """Complete proofs until cancelled."""
        while True:
            pause_s = IDLE_S
            try:
                if await self._look():
                    pause_s = LOOK_S
            except StoreUnavailable as error:
                logger.info("erasures wait for the store: %s", error)
            except (RewriteFailed, OSError) as error:
                logger.error("an erasure could not be completed, it stays pending: %s", error)
                pause_s = AGAIN_S
            await self._pause(pause_s)

    async def _pause(self, seconds: float) -> None:
        """Wait, or until the next item is erased."""
        with anyio.move_on_after(seconds):
            await self._view.erased.wait()
            self._view.erased.clear()

    async def _look(self) -> bool:
        """Bring every open erasure as far as it can be now; True while any is open."""
        open_ones = await self._erasure.open()
        if not open_ones:
            return False
        self._snapshots.need(max(each.seq for each in open_ones))
        workers = [
            report
            for report in await self._processes.all()
            if report.role == "worker" and report.space_id == self._space_id
        ]
        if self._worker == min([self._worker, *(report.name for report in workers)]):
            await self._complete(open_ones, workers)
        return True

    async def _complete(self, open_ones: Sequence[OpenErasure], workers: Sequence[ProcessReport]) -> None:
        applied = min([self._view.version, *(report.applied_seq for report in workers)])
        kept = min([self._snapshots.oldest, *(report.snapshot_seq for report in workers)])
        for each in open_ones:
            await self._delete_files(each)
            if each.seq <= applied:
                await self._mark(each, "vectors")
            if each.seq <= kept:
                await self._mark(each, "snapshots")
        forgotten = [each for each in open_ones if each.seq <= kept and "append_only_file" in each.pending]
        if forgotten:
            # The vector is in the log too, in the entry that once added it.
            await self._log.trim(kept)
            await rewrite_append_only_file(self._redis)
            for each in forgotten:
                await self._mark(each, "append_only_file")

    async def _delete_files(self, each: OpenErasure) -> None:
        places = [place for place in ("media", "thumbnails") if place in each.pending]
        if places:
            await asyncio.to_thread(self._media.delete_tree, f"{self._space_id}/{each.item_id}")
        for place in places:
            await self._mark(each, place)

    async def _mark(self, each: OpenErasure, place: str) -> None:
        if place in each.pending:
            await self._erasure.mark(each.job_id, place)
