"""The gallery as this worker holds it: which version, and whether it fits the records."""

import asyncio

from index.vectors.gallery import Gallery


class GalleryView:
    """Hands the current gallery to searchers, and wakes those who wait for a version.

    Belongs to the event loop; only the gallery itself may be used from threads.
    """

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery
        self._changed = asyncio.Condition()
        self._ready = asyncio.Event()
        self.report_due = asyncio.Event()  # something others wait for; cleared by the one who reports
        self.erased = asyncio.Event()  # perhaps; cleared by the one who completes proofs

    @property
    def gallery(self) -> Gallery:
        return self._gallery

    @property
    def version(self) -> int:
        """Log entries applied, up to and including this `seq`."""
        return self._gallery.version

    @property
    def ready(self) -> bool:
        """Whether the gallery fits the records; while it does not, nothing may be answered from it."""
        return self._ready.is_set()

    async def replace(self, gallery: Gallery) -> None:
        """Search in another gallery from now on."""
        self._gallery = gallery
        await self.advanced()

    def mark_unfit(self) -> None:
        """Nothing is answered until `mark_fit`."""
        self._ready.clear()
        self.report_due.set()

    def mark_fit(self) -> None:
        self._ready.set()
        self.report_due.set()

    async def fit(self) -> None:
        """Wait until the gallery fits the records."""
        await self._ready.wait()

    async def advanced(self) -> None:
        """Tell those who wait that the version may have changed."""
        async with self._changed:
            self._changed.notify_all()

    async def reached(self, version: int) -> None:
        """Wait until the log is applied up to `version`."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.version >= version)
