"""Follows the gallery log, and rebuilds the index from the records where the log no longer helps."""

import asyncio
import logging
from collections.abc import Callable

from index.entries import LogEntry
from index.errors import ChecksumMismatch, LogGap, StoreUnavailable
from index.records.items import Items
from index.records.log import Log
from index.vectors.gallery import Gallery
from service.metrics import WorkerMetrics
from service.worker.outage import outlast
from service.worker.view import GalleryView

logger = logging.getLogger(__name__)
READ_ENTRIES = 1000
BLOCK_MS = 5000
AGAIN_S = (0.0, 1.0, 5.0, 30.0)  # before the first, second ... rebuild in a row; the last one repeats


class LogApplier:
    """The only writer of this worker's gallery.

    The view is fit while the gallery holds what the records hold, by count and checksum, as far as the log is applied.
    """

    def __init__(
        self,
        log: Log,
        items: Items,
        view: GalleryView,
        new_gallery: Callable[[], Gallery],
        worker: str,
        metrics: WorkerMetrics,
        *,
        rebuilt: Callable[[], None],
    ) -> None:
        """`rebuilt` is told when the gallery was made anew; it is fit only when the view says so."""
        self._log = log
        self._items = items
        self._view = view
        self._new_gallery = new_gallery
        self._worker = worker
        self._metrics = metrics
        self._tell_rebuilt = rebuilt
        self._rebuilds_in_a_row = 0

    async def run(self) -> None:
        """Follow the log until cancelled; the view is fit whenever the gallery is level with the records."""
        rebuild = False
        while True:
            try:
                if rebuild:
                    await self._rebuild()
                    rebuild = False
                await self._catch_up()
                self._view.mark_fit()
                self._rebuilds_in_a_row = 0
                await self._follow()
            except (LogGap, ChecksumMismatch) as error:
                self._view.mark_unfit()
                logger.warning("the index is rebuilt from the records: %s", error)
                rebuild = True

    async def _catch_up(self) -> None:
        """Apply the log up to where the records are now, and compare count and sum there.

        Raises:
            LogGap, ChecksumMismatch: the gallery has to be rebuilt.
        """
        records = await outlast(self._items.statistics)
        if records.seq < self._view.version:
            raise LogGap(self._view.version, records.seq)
        while self._view.version < records.seq:
            await self._apply(await self._written(self._view.version, records.seq))
        gallery = self._view.gallery
        if gallery.version == records.seq and (gallery.count, gallery.checksum) != (records.count, records.checksum):
            raise ChecksumMismatch(
                f"at log position {records.seq} the index holds {gallery.count} tracks, sum {gallery.checksum:016x}, "
                f"and the records {records.count}, sum {records.checksum:016x}"
            )

    async def _follow(self) -> None:
        """Apply what comes; level up again after an outage, as the store may have come back with less."""
        while True:
            try:
                await self._apply(await self._log.read(self._view.version, READ_ENTRIES, BLOCK_MS))
            except StoreUnavailable:
                await self._catch_up()

    async def _apply(self, entries: list[LogEntry]) -> None:
        if not entries:
            return
        gallery = self._view.gallery
        await asyncio.to_thread(gallery.apply, entries)
        await self._view.advanced()
        if any(entry.operation == "remove" for entry in entries):
            self._view.erased.set()
        self._metrics.set_index(size_bytes=gallery.bytes(), applied=gallery.version)
        try:
            await self._log.announce(gallery.version, self._worker)
        except StoreUnavailable:
            logger.info("the store went away before position %d could be announced", gallery.version)

    async def _rebuild(self) -> None:
        """Fill a new gallery: note the head, scan the tracks, replay what came meanwhile."""
        await asyncio.sleep(AGAIN_S[min(self._rebuilds_in_a_row, len(AGAIN_S) - 1)])
        self._rebuilds_in_a_row += 1
        gallery = await outlast(self._scanned)
        await self._view.replace(gallery)
        self._tell_rebuilt()
        self._metrics.set_index(size_bytes=gallery.bytes(), applied=gallery.version)

    async def _scanned(self) -> Gallery:
        gallery = self._new_gallery()
        head = await self._log.head()
        tracks = [entry async for entry in self._log.scan_tracks()]
        await asyncio.to_thread(gallery.load_records, tracks, head)
        # The scan may have seen later tracks and missed earlier ones that went: only at the end do count and sum fit.
        end = await self._log.head()
        missed: list[LogEntry] = []
        while head + len(missed) < end:
            missed += await self._written(head + len(missed), end)
        if missed:
            await asyncio.to_thread(gallery.apply, missed)
        return gallery

    async def _written(self, after: int, end: int) -> list[LogEntry]:
        """Entries after `after`, of a log known to have come to `end`: none at all is a hole, too."""
        entries = await outlast(lambda: self._log.read(after, READ_ENTRIES, 1))
        if not entries:
            raise LogGap(after, end)
        return entries
