"""Snapshots of the index: when one is taken, which are kept, and how far the log may be cut."""

import asyncio
import logging
from pathlib import Path

from index.errors import StoreUnavailable
from index.records.log import Log
from index.records.processes import Processes
from index.vectors.snapshots import prune
from service.worker.view import GalleryView

logger = logging.getLogger(__name__)
AGAIN_S = 5.0  # after a snapshot that could not be written


class Snapshots:
    """Takes a snapshot every so many log entries, and at once when an erased item is still in one that is kept.

    Two are kept, so that one that proves damaged costs a replay and not a rebuild; only one is kept when the older one
    holds what must be forgotten.
    """

    def __init__(
        self,
        root: Path,
        space_id: str,
        view: GalleryView,
        log: Log,
        processes: Processes,
        *,
        every_entries: int,
        newest: int,
        oldest: int | None,
    ) -> None:
        """`newest` and `oldest`: log positions of the snapshots on disk, 0 and None without any."""
        self._root = root
        self._space_id = space_id
        self._view = view
        self._log = log
        self._processes = processes
        self._every_entries = every_entries
        self._newest = newest
        self._oldest = oldest
        self._needed = 0
        self._asked = asyncio.Event()

    @property
    def oldest(self) -> int:
        """Log position of the older kept snapshot; the gallery's own where there is none, as it needs no older log."""
        return self._view.version if self._oldest is None else self._oldest

    def need(self, version: int) -> None:
        """Ask that no kept snapshot be older than `version`."""
        if self.oldest < version > self._needed:
            self._needed = version
            self._asked.set()

    async def run(self) -> None:
        """Take snapshots until cancelled."""
        while True:
            await self._until_due()
            try:
                await self._take()
            except OSError as error:
                logger.error("no snapshot of the index could be written, searching goes on: %s", error)
                await asyncio.sleep(AGAIN_S)
                continue
            await self._cut_log()

    async def _until_due(self) -> None:
        """Wait until enough was applied, or somebody needs a newer snapshot; and until the gallery is fit for one."""
        enough = asyncio.ensure_future(self._view.reached(self._newest + self._every_entries))
        asked = asyncio.ensure_future(self._asked.wait())
        try:
            await asyncio.wait({enough, asked}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            enough.cancel()
            asked.cancel()
            await asyncio.gather(enough, asked, return_exceptions=True)
        self._asked.clear()
        await self._view.reached(self._needed)
        await self._view.fit()

    async def _take(self) -> None:
        if self._view.version > self._newest:
            path = await asyncio.to_thread(self._view.gallery.snapshot, self._root, self._space_id)
            self._newest = int(path.name)
        oldest = await asyncio.to_thread(prune, self._root, self._space_id, keep=2)
        if oldest is not None and oldest < self._needed:
            oldest = await asyncio.to_thread(prune, self._root, self._space_id, keep=1)
        self._oldest = oldest
        self._view.report_due.set()
        logger.info("snapshot of the index at %d, the older one kept is at %d", self._newest, self.oldest)

    async def _cut_log(self) -> None:
        """Drop log entries that every live worker has in its older snapshot; one that is away rebuilds if need be."""
        try:
            workers = [
                report.snapshot_seq
                for report in await self._processes.all()
                if report.role == "worker" and report.space_id == self._space_id
            ]
            await self._log.trim(min([self.oldest, *workers]))
        except StoreUnavailable as error:
            logger.info("the log is cut after the next snapshot: %s", error)
