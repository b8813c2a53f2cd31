"""Clears away files whose owner died before it could: crops of queries, unfinished uploads."""

import asyncio
import logging

from service.media import MediaStore

logger = logging.getLogger(__name__)
EVERY_S = 600.0


class Sweep:
    """Removes left-overs from the media store, at start and every ten minutes."""

    def __init__(self, media: MediaStore, *, prefix: str, older_than_s: float) -> None:
        self._media = media
        self._prefix = prefix
        self._older_than_s = older_than_s

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            try:
                removed = await asyncio.to_thread(self._media.sweep, self._prefix, self._older_than_s)
                if removed:
                    logger.info("removed %d files left over under %s", removed, self._prefix)
            except OSError as error:
                logger.warning("left-over files could not be removed: %s", error)
            await asyncio.sleep(EVERY_S)
