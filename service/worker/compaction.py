"""Keeps the index in few segments while it is searched and written."""

import asyncio

from service.worker.view import GalleryView

EVERY_ENTRIES = 1000


class Compaction:
    """Merges small segments, and frees what removed tracks hold, now and then."""

    def __init__(self, view: GalleryView) -> None:
        self._view = view

    async def run(self) -> None:
        """Compact until cancelled."""
        while True:
            looked_at = self._view.version
            gallery = self._view.gallery
            if gallery.compaction_due:
                await asyncio.to_thread(gallery.compact)
            await self._view.reached(looked_at + EVERY_ENTRIES)
