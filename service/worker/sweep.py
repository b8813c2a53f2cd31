"""Clears away files whose owner died before it could: crops of queries, unfinished uploads, media of no item."""

import asyncio
import logging
import time
from collections.abc import Sequence

from index.errors import StoreUnavailable
from index.records.ids import is_id
from index.records.items import Items
from index.records.orphans import Orphans
from service.media import MediaStore

logger = logging.getLogger(__name__)
EVERY_S = 600.0
UPLOAD_S = 3600.0  # an upload that has not grown for so long has lost its client
BATCH_ITEMS = 500  # asked of the records in one go


class Sweep:
    """Removes left-overs from the media store, at start and every ten minutes."""

    def __init__(
        self,
        media: MediaStore,
        items: Items,
        orphans: Orphans,
        *,
        space_id: str,
        query_prefix: str,
        query_life_s: float,
        upload_life_s: float = UPLOAD_S,
    ) -> None:
        self._media = media
        self._items = items
        self._orphans = orphans
        self._space_id = space_id
        self._query_prefix = query_prefix
        self._query_life_s = query_life_s
        self._upload_life_s = upload_life_s

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            await self.sweep()
            await asyncio.sleep(EVERY_S)

    async def sweep(self) -> None:
        """Sweep once; what cannot be removed now is left for the next time."""
        try:
            removed = await asyncio.to_thread(self._sweep_files)
            removed += await self._sweep_media()
        except OSError as error:
            logger.warning("left-over files could not be removed: %s", error)
        except StoreUnavailable as error:
            logger.info("left-over media wait for the store: %s", error)
        else:
            if removed:
                logger.info("removed %d files left over by queries and uploads", removed)

    def _sweep_files(self) -> int:
        removed = self._media.sweep(self._query_prefix, self._query_life_s)
        return removed + self._media.sweep_scratch(self._upload_life_s)

    async def _sweep_media(self) -> int:
        """Remove the media of uploads that never became an item, or failed for good; how many files."""
        if (await self._items.statistics()).seq == 0:
            return 0  # a store that never held a track is perhaps one that was lost: media may be all that is left
        names = await asyncio.to_thread(self._media.folders, self._space_id)
        item_ids = [name for name in names if is_id(name)]
        removed = 0
        for first in range(0, len(item_ids), BATCH_ITEMS):
            orphans = await self._orphans.among(item_ids[first : first + BATCH_ITEMS])
            removed += await asyncio.to_thread(self._remove_old, orphans)
        return removed

    def _remove_old(self, item_ids: Sequence[str]) -> int:
        before = time.time() - self._upload_life_s
        removed = 0
        for prefix in (f"{self._space_id}/{item_id}" for item_id in item_ids):
            written_s = self._media.written_s(prefix)
            if written_s is not None and written_s < before:
                removed += self._media.delete_tree(prefix)
        return removed
