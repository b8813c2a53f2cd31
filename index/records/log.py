"""The gallery log: every change of the gallery, in order, without holes."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import cast

import orjson
from redis.asyncio import Redis

from index.entries import LogEntry, Operation
from index.errors import LogGap
from index.records.connection import BytesRedis, answered
from index.records.ids import track_id
from index.records.items import Items
from index.records.keys import EVENTS, Keys
from index.records.streams import rows_of

MOST_EVENTS = 4096
SCANNED_AT_ONCE = 500  # tracks


class Log:
    """The log of one space. An entry's id in the stream is `<seq>-0`."""

    def __init__(self, redis: Redis, space_id: str) -> None:
        self._redis: BytesRedis = redis
        self._keys = Keys(space_id)
        self._stream = self._keys.of("LOG")
        self._items = Items(redis, space_id)

    async def head(self) -> int:
        """Position of the newest entry, 0 before the first."""
        with answered():
            return int(await self._redis.hget(self._keys.of("META"), "seq") or 0)

    async def read(self, after: int, count: int, block_ms: int) -> list[LogEntry]:
        """Up to `count` entries after position `after`, waiting up to `block_ms` for the first.

        Raises:
            LogGap: what follows `after` was trimmed, or the log ends before it.
        """
        entries = await self._entries(after, count, block_ms)
        if not entries and (head := await self.head()) != after:
            # Either it came just after the wait was over, or it was trimmed before we could read it.
            entries = await self._entries(after, count, None)
            if not entries:
                raise LogGap(after, head)
        for expected, entry in enumerate(entries, after + 1):
            if entry.seq != expected:
                raise LogGap(expected - 1, entry.seq)
        return entries

    async def _entries(self, after: int, count: int, block_ms: int | None) -> list[LogEntry]:
        with answered():
            reply = await self._redis.xread({self._stream: f"{after}-0"}, count=count, block=block_ms)
        return [_entry(entry_id, fields) for entry_id, fields in rows_of(reply)]

    async def scan_tracks(self) -> AsyncIterator[LogEntry]:
        """Every track of the records as an `add`, for a rebuild. Note `head` first: tracks come and go meanwhile.

        `seq` is the position that added the track; `count` and `checksum` are 0, as a scan has no moment.
        """
        async for items in self._items.scan():
            ids = [track_id(item.id, ordinal) for item in items for ordinal in range(item.n_tracks)]
            for first in range(0, len(ids), SCANNED_AT_ONCE):
                for entry in await self._adds(ids[first : first + SCANNED_AT_ONCE]):
                    yield entry

    async def _adds(self, ids: Sequence[str]) -> list[LogEntry]:
        pipeline = self._redis.pipeline(transaction=False)
        for each in ids:
            pipeline.hmget(self._keys.of("TRACK", each), ("record", "tags", "vector", "seq"))
        with answered():
            rows = await pipeline.execute()
        return [
            _add(int(seq), each, record, tags, vector, 0, 0)
            for each, (record, tags, vector, seq) in zip(ids, rows, strict=True)
            if record is not None
        ]

    async def trim(self, below: int) -> int:
        """Drop the entries up to and including position `below`; how many went."""
        with answered():
            return int(await self._redis.xtrim(self._stream, minid=f"{below + 1}-0", approximate=False))

    async def announce(self, applied: int, worker: str) -> None:
        """Tell the apis that this worker's index holds the log up to `applied`."""
        fields = {"kind": "applied", "id": worker, "state": str(applied)}
        with answered():
            await self._redis.xadd(EVENTS, fields, maxlen=MOST_EVENTS, approximate=True)


def _entry(entry_id: bytes, fields: dict[bytes, bytes]) -> LogEntry:
    seq = int(entry_id.split(b"-")[0])
    count, checksum = int(fields[b"n"]), int(fields[b"s"], 16)
    operation = cast(Operation, fields[b"o"].decode())
    own_id = fields[b"t"].decode()
    if operation == "remove":
        return LogEntry(seq, operation, own_id, count, checksum)
    added = _add(seq, own_id, fields[b"b"], fields[b"g"], fields[b"v"], count, checksum)
    return added if operation == "add" else replace(added, operation=operation)


def _add(seq: int, own_id: str, record: bytes, tags: bytes, vector: bytes, count: int, checksum: int) -> LogEntry:
    values = orjson.loads(record)
    return LogEntry(
        seq=seq,
        operation="add",
        track_id=own_id,
        count=count,
        checksum=checksum,
        item_id=values["item_id"],
        kind=values["kind"],
        camera_id=values["camera_id"],
        start_ms=values["start_ms"],
        end_ms=values["end_ms"],
        tags=orjson.loads(tags),
        vector=vector,
    )
