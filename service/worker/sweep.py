"""Clears away files whose owner died before it could: crops of queries, unfinished uploads."""

import asyncio
import logging

from service.media import MediaStore

logger = logging.getLogger(__name__)
EVERY_S = 600.0
UPLOAD_S = 3600.0  # an upload that has not grown for so long has lost its client


class Sweep:
    """Removes left-overs from the media store, at start and every ten minutes."""

    def __init__(self, media: MediaStore, *, query_prefix: str, query_life_s: float) -> None:
        self._media = media
        self._query_prefix = query_prefix
        self._query_life_s = query_life_s

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            await asyncio.to_thread(self._sweep)
            await asyncio.sleep(EVERY_S)

    def _sweep(self) -> None:
        try:
            removed = self._media.sweep(self._query_prefix, self._query_life_s)
            removed += self._media.sweep_scratch(UPLOAD_S)
        except OSError as error:
            logger.warning("left-over files could not be removed: %s", error)
            return
        if removed:
            logger.info("removed %d files left over by queries and uploads", removed)
