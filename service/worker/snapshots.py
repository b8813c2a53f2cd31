"""Snapshots of the index: when one is taken, which are kept, and how far the log may be cut."""

import asyncio
import logging
from pathlib import Path

from index.errors import StoreUnavailable
from index.records.log import Log
from index.records.processes import Processes
from index.vectors.snapshots import prune, remove_all
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
        self._writing: int | None = None  # a position that the snapshot being written is not older than
        self._outdated = False  # the index was rebuilt, and those on disk are of the one before
        self._needed = 0
        self._asked = asyncio.Event()

    @property
    def oldest(self) -> int:
        """Log position of the oldest snapshot there is or may be in a moment; the gallery's own where there is none.

        What was erased up to there is in none of them.
        """
        if self._outdated:
            return 0  # positions of a log that perhaps went another way
        kept = self._view.version if self._oldest is None else self._oldest
        return kept if self._writing is None else min(kept, self._writing)

    def need(self, version: int) -> None:
        """Ask that no kept snapshot be older than `version`."""
        if self.oldest < version > self._needed:
            self._needed = version
            self._asked.set()

    def rebuilt(self) -> None:
        """The index was made anew from the records: replace all snapshots by one of it as soon as it is fit.

        The log does not reach back to them, so they are of no use, and nobody replays into them what was erased since.
        """
        self._outdated = True
        self._asked.set()

    async def run(self) -> None:
        """Take snapshots until cancelled."""
        while True:
            await self._until_due()
            try:
                await self._remove_outdated()
                await self._take()
            except OSError as error:
                logger.error("no snapshot of the index could be written, searching goes on: %s", error)
                await asyncio.sleep(AGAIN_S)
                self._asked.set()  # whoever asked does so only once
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

    async def _remove_outdated(self) -> None:
        if self._outdated:
            await asyncio.to_thread(remove_all, self._root, self._space_id)
            self._newest, self._oldest, self._outdated = 0, None, False
            await self._view.fit()  # it may have been found unfit once more meanwhile

    async def _write(self) -> None:
        self._writing = self._view.version
        try:
            path = await asyncio.to_thread(self._view.gallery.snapshot, self._root, self._space_id)
            self._newest = int(path.name)
            if self._oldest is None:
                self._oldest = self._newest
        finally:
            self._writing = None

    async def _take(self) -> None:
        if self._view.version > self._newest:
            await self._write()
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
