"""Fill a running service's gallery with random tracks, through the store's own scripts, without media."""

import time

import numpy as np

from index.records.connection import connect
from index.records.ids import new_id
from index.records.intake import Intake
from index.records.items import Item
from index.records.spaces import Spaces
from index.records.work import Entry, NewTrack, Work
from model.encoder import EncoderCard
from service.bench.bare import random_units
from service.worker.build import space_of

TRACKS_AN_ITEM = 250
CONSUMER = "bench"


async def fill(redis_url: str, card: EncoderCard, tracks: int) -> int:
    """Add `tracks` random unit vectors to the encoder's space as finished uploads; the gallery version afterwards.

    The workers must not be running: an entry that one of them took would be decoded, and there is nothing to decode.
    """
    redis = await connect(redis_url)
    try:
        space = space_of(card)
        await Spaces(redis).register(space, activate_new=False)
        work = Work(redis, space.id, CONSUMER, lease_s=60.0, max_attempts=5)
        rng = np.random.default_rng(7)
        version = 0
        for first in range(0, tracks, TRACKS_AN_ITEM):
            rows = min(TRACKS_AN_ITEM, tracks - first)
            await Intake(redis, space.id).accept(_item(), idempotency=None)
            [entry] = await work.take(1, 1000)
            version = await _finish(
                work, entry, [_track(n, v.tobytes()) for n, v in enumerate(random_units(rng, rows, space.dimension))]
            )
        return version
    finally:
        await redis.aclose()


async def _finish(work: Work, entry: Entry, tracks: list[NewTrack]) -> int:
    lease = await work.begin(entry)
    version = None if lease is None else await work.finish(lease, tracks)
    if version is None:
        raise RuntimeError(
            "another worker took an entry of the benchmark: stop the workers while the gallery is filled"
        )
    return version


def _item() -> Item:
    return Item(
        id=new_id(),
        kind="video",
        content="tracklet",
        status="queued",
        camera_id="bench",
        captured_at_ms=None,
        tags={},
        filename="bench.mp4",
        media_type="video/mp4",
        size_bytes=0,
        sha256="",
        created_ms=int(time.time() * 1000),
        n_tracks=0,
        gallery_version=None,
    )


def _track(ordinal: int, vector: bytes) -> NewTrack:
    return NewTrack(
        ordinal=ordinal,
        start_ms=None,
        end_ms=None,
        offset_start_s=0.0,
        offset_end_s=1.0,
        n_frames=25,
        box=(0, 0, 128, 256),
        vector=vector,
    )
