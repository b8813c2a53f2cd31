"""Items and tracks: reading, listing and tagging them."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import orjson
from redis.asyncio import Redis

from index.entries import Kind
from index.errors import NotFound
from index.records.connection import BytesRedis, answered
from index.records.ids import track_id
from index.records.keys import Keys
from index.records.scripting import Scripts
from index.records.shared_pipeline import shared_pipeline

ItemStatus = Literal["queued", "ready", "failed"]
CHUNK = 200  # records read in one go
MOST_SCANNED = 10_000  # per page: a filter that fits nothing must not read a whole gallery in one request


@dataclass(frozen=True, slots=True)
class Item:
    """One upload. Its media lie at `<space>/<id>/original` in the media store."""

    id: str
    kind: Kind
    content: str
    status: ItemStatus
    camera_id: str | None
    captured_at_ms: int | None
    tags: dict[str, str]
    filename: str
    media_type: str
    size_bytes: int
    sha256: str
    created_ms: int
    n_tracks: int
    gallery_version: int | None  # the log position that holds it, once ready


@dataclass(frozen=True, slots=True)
class Track:
    """One person before one camera; `start_ms` and `end_ms` are Unix time, None without `captured_at`."""

    id: str
    item_id: str
    ordinal: int
    kind: Kind
    camera_id: str | None
    start_ms: int | None
    end_ms: int | None
    offset_start_s: float
    offset_end_s: float
    n_frames: int
    box: tuple[int, int, int, int]  # x, y, width, height in pixels of the upright picture
    tags: dict[str, str]
    vector: bytes  # float16; empty where it was not asked for
    seq: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the records hold at log position `seq`."""

    seq: int
    count: int
    checksum: int
    videos: int
    images: int


_STATIC = ("id", "kind", "content", "camera_id", "captured_at_ms", "filename", "media_type", "size_bytes", "sha256")
ITEM_FIELDS = ("record", "tags", "status", "tracks", "version")
TRACK_FIELDS = ("record", "tags", "seq")


def item_record(item: Item) -> bytes:
    """The part of an item that never changes, as JSON."""
    return orjson.dumps({name: getattr(item, name) for name in (*_STATIC, "created_ms")})


def item_of(fields: Sequence[bytes | None]) -> Item | None:
    """An item from the values of ITEM_FIELDS; None when there is none."""
    record, tags, status, tracks, version = fields
    if record is None:
        return None
    return Item(
        **orjson.loads(record),
        tags=orjson.loads(tags or b"{}"),
        status=cast(ItemStatus, (status or b"queued").decode()),
        n_tracks=int(tracks or 0),
        gallery_version=int(version) if version else None,
    )


def track_of(fields: Sequence[bytes | None], vector: bytes = b"") -> Track | None:
    """A track from the values of TRACK_FIELDS; None when there is none."""
    record, tags, seq = fields
    if record is None:
        return None
    values: dict[str, Any] = orjson.loads(record)
    values["box"] = tuple(values["box"])
    return Track(**values, tags=orjson.loads(tags or b"{}"), vector=vector, seq=int(seq or 0))


class Items:
    """The items and tracks of one space."""

    def __init__(self, redis: Redis, space_id: str) -> None:
        self._redis: BytesRedis = redis
        self._pipeline = shared_pipeline(redis)
        self._keys = Keys(space_id)
        self._scripts = Scripts(redis, self._keys)

    async def get(self, item_id: str) -> Item:
        """Raises NotFound: there is no such item."""
        with answered():
            item = item_of(await self._redis.hmget(self._keys.of("ITEM", item_id), ITEM_FIELDS))
        if item is None:
            raise NotFound("item", item_id)
        return item

    async def page(
        self,
        kind: Kind,
        *,
        cursor: str | None = None,
        limit: int = 100,
        camera_id: str | None = None,
        from_ms: int | None = None,
        to_ms: int | None = None,
        status: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> tuple[list[Item], str | None]:
        """Items that match, newest first, and the cursor of the next page; None after the last.

        `cursor` is the one of the page before. Time is half open and compared with `captured_at`; an item without it
        never matches. A page may be short, even empty, and still have a cursor: the search is bounded.
        """
        found: list[Item] = []
        last, scanned = cursor, 0
        everything = not tags and all(each is None for each in (camera_id, from_ms, to_ms, status))
        chunk = min(limit, CHUNK) if everything else CHUNK
        while scanned < MOST_SCANNED:
            ids = await self._ids_before(kind, last, chunk)
            for item in await self.many(ids):
                last = item.id
                if _matches(item, camera_id, from_ms, to_ms, status, tags or {}):
                    found.append(item)
                    if len(found) == limit:
                        return found, last
            if len(ids) < chunk:
                return found, None
            last, scanned = ids[-1], scanned + len(ids)
        return found, last

    async def _ids_before(self, kind: Kind, cursor: str | None, limit: int) -> list[str]:
        top = f"({cursor}" if cursor else "+"
        with answered():
            ids = await self._redis.zrevrangebylex(self._keys.of("ITEMS", kind), top, "-", start=0, num=limit)
        return [each.decode() for each in ids]

    async def many(self, item_ids: Iterable[str]) -> list[Item]:
        """Those of the items that are there, in one round trip."""
        pipeline = self._redis.pipeline(transaction=False)
        for item_id in item_ids:
            pipeline.hmget(self._keys.of("ITEM", item_id), ITEM_FIELDS)
        with answered():
            rows = await pipeline.execute()
        return [item for row in rows if (item := item_of(row)) is not None]

    async def tracks(self, item_id: str) -> list[Track]:
        """All tracks of an item, in order, without their vectors. Raises NotFound: there is no such item."""
        item = await self.get(item_id)
        tracks = await self.many_tracks([track_id(item_id, ordinal) for ordinal in range(item.n_tracks)])
        return [track for track in tracks if track is not None]

    async def track(self, wanted: str) -> Track:
        """One track with its vector. Raises NotFound: there is no such track."""
        with answered():
            *fields, vector = await self._redis.hmget(self._keys.of("TRACK", wanted), (*TRACK_FIELDS, "vector"))
        track = track_of(fields, vector or b"")
        if track is None:
            raise NotFound("track", wanted)
        return track

    async def many_tracks(self, track_ids: Sequence[str]) -> list[Track | None]:
        """The tracks in the order asked for, None where there is none, without their vectors; one round trip."""
        commands = [("HMGET", self._keys.of("TRACK", each), *TRACK_FIELDS) for each in track_ids]
        with answered():
            rows = await self._pipeline.ask(*commands)
        return [track_of(row) for row in rows]

    async def retag(self, item_id: str, tags: Mapping[str, str]) -> int:
        """Replace the tags of an item and its tracks, durably; the gallery version that has them.

        Raises:
            NotFound: there is no such item.
            NotDurable, StoreUnavailable: nothing is promised.
        """
        version = await self._scripts.run_durably("retag", item_id, orjson.dumps(dict(tags)))
        if version is None:
            raise NotFound("item", item_id)
        return int(version)

    async def statistics(self) -> Statistics:
        """Position, count, sum and counts by kind, read at one moment."""
        with answered():
            values = await self._redis.hmget(self._keys.of("META"), ("seq", "count", "sum", "videos", "images"))
        seq, count, checksum, videos, images = values
        return Statistics(int(seq or 0), int(count or 0), int(checksum or b"0", 16), int(videos or 0), int(images or 0))

    async def scan(self) -> AsyncIterator[list[Item]]:
        """Every item there is, oldest first within its kind, some at a time."""
        for kind in ("video", "image"):
            last = "-"
            while True:
                with answered():
                    ids = await self._redis.zrangebylex(self._keys.of("ITEMS", kind), last, "+", start=0, num=CHUNK)
                yield await self.many(each.decode() for each in ids)
                if len(ids) < CHUNK:
                    break
                last = f"({ids[-1].decode()}"


def _matches(
    item: Item,
    camera_id: str | None,
    from_ms: int | None,
    to_ms: int | None,
    status: str | None,
    tags: Mapping[str, str],
) -> bool:
    if camera_id is not None and item.camera_id != camera_id:
        return False
    if status is not None and item.status != status:
        return False
    if from_ms is not None or to_ms is not None:
        at = item.captured_at_ms
        if at is None or at < (from_ms if from_ms is not None else at) or (to_ms is not None and at >= to_ms):
            return False
    return all(item.tags.get(name) == value for name, value in tags.items())
