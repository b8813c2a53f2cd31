"""One upload to one track: decode, encode, thumbnail."""

import asyncio
import logging
import time
from contextlib import ExitStack

import numpy as np

from index.errors import NotFound, StoreUnavailable
from index.records.items import Item, Items
from index.records.work import NewTrack
from model.sampling import Sampling
from service.decode.crops import Crops, CropSampling
from service.decode.errors import DecoderFailed, DecoderUnavailable, DecodeTooSlow, MediaError
from service.decode.pool import DecoderPool
from service.errors import Problem
from service.media import MediaStore
from service.metrics import WorkerMetrics
from service.worker.batcher import Batcher
from service.worker.encoding import Clip, Vector, clips_of, unit_mean

logger = logging.getLogger(__name__)


class LostItem(Exception):
    """The item was erased meanwhile."""


class RefusedItem(Exception):
    """The media can never become a track; `problem` is the body to show.

    `perhaps_not`: the decoder died or was too slow over it, which something else may have caused. A second attempt
    tells; nobody's upload is thrown away because the machine had a bad minute.
    """

    def __init__(self, problem: Problem, *, perhaps_not: bool = False) -> None:
        super().__init__(problem.detail)
        self.problem = problem.body()
        self.perhaps_not = perhaps_not


class ItemEncoder:
    """Knows how an item of content `tracklet` becomes a track, and what it leaves in the media store meanwhile."""

    def __init__(
        self,
        space_id: str,
        items: Items,
        media: MediaStore,
        decoders: DecoderPool,
        batcher: Batcher[Clip, Vector],
        sampling: Sampling,
        metrics: WorkerMetrics,
    ) -> None:
        self._space_id = space_id
        self._items = items
        self._media = media
        self._decoders = decoders
        self._batcher = batcher
        self._sampling = CropSampling(
            sampling.frames, sampling.height, sampling.width, sampling.max_clips, sampling.rule
        )
        self._metrics = metrics

    async def track_of(self, item: Item) -> NewTrack:
        """Decode and encode the item and write its thumbnail.

        Raises:
            RefusedItem: the media are damaged, over a limit, or gone.
            LostItem: the item was erased meanwhile.
        """
        crops = await self._decode(item)
        clips = clips_of(crops.clips, crops.lengths)
        queued = time.monotonic()
        done = await self._batcher.submit(clips, lane="ingest", bucket=crops.clips.shape[1])
        self._metrics.stages.observe("queue", done.started_at - queued)
        self._metrics.stages.observe("encode", done.finished_at - done.started_at)
        vector = unit_mean(np.stack(done.results)).astype("<f2").tobytes()
        if crops.thumbnail is not None:
            await asyncio.to_thread(self._media.write, self._thumbnail_key(item), crops.thumbnail)
        return _track(item, crops, vector)

    async def clean_up(self, item: Item) -> None:
        """Take away what this worker may have written for an item that is gone.

        An item that is still there belongs to another worker now, which writes the same files again.
        """
        try:
            await self._items.get(item.id)
        except NotFound:
            await self.erase_media(item)
        except StoreUnavailable:
            logger.warning("item %s: the store went away before its files could be looked after", item.id)

    async def erase_media(self, item: Item) -> None:
        """Take away all files of the item."""
        try:
            await asyncio.to_thread(self._media.delete_tree, f"{self._space_id}/{item.id}")
        except OSError as error:
            logger.error("item %s: its files could not be erased: %s", item.id, error)

    async def _decode(self, item: Item) -> Crops:
        started = time.monotonic()
        try:
            with ExitStack() as stack:
                copy = self._media.local_path(f"{self._space_id}/{item.id}/original")
                path = await asyncio.to_thread(stack.enter_context, copy)  # a remote store is read here
                crops = await self._decoders.crops(path, self._sampling, thumbnail=True, expect=item.kind)
        except DecoderUnavailable:
            raise  # not the file's fault
        except MediaError as error:
            perhaps_not = isinstance(error, DecoderFailed | DecodeTooSlow)
            raise RefusedItem(Problem(error.status, error.code, error.detail), perhaps_not=perhaps_not) from error
        except FileNotFoundError as error:
            raise await self._gone(item) from error
        self._metrics.stages.observe("decode", time.monotonic() - started)
        return crops

    async def _gone(self, item: Item) -> Exception:
        try:
            await self._items.get(item.id)
        except NotFound:
            return LostItem(item.id)
        detail = f"the media of item {item.id} are not in the media store any more: upload it again"
        return RefusedItem(Problem(410, "media_gone", detail))

    def _thumbnail_key(self, item: Item) -> str:
        return f"{self._space_id}/{item.id}/{0:04d}.jpg"


def _track(item: Item, crops: Crops, vector: bytes) -> NewTrack:
    """The only track of a tracklet; its times are those of the media, from the moment it was captured."""
    start_ms = end_ms = None
    if item.captured_at_ms is not None:
        start_ms = item.captured_at_ms + round(crops.start_s * 1000)
        # Half open: even a single picture lasts a millisecond, or no time filter would ever match it.
        end_ms = max(start_ms + 1, item.captured_at_ms + round(crops.end_s * 1000))
    return NewTrack(
        ordinal=0,
        start_ms=start_ms,
        end_ms=end_ms,
        offset_start_s=crops.start_s,
        offset_end_s=crops.end_s,
        n_frames=crops.n_frames,
        box=crops.box,
        vector=vector,
    )
