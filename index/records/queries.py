"""Queries on their way from an api to a worker and back.

They live in the store's memory alone: it is uploads that are promised to survive, a query has a client that waits.
The one thing on disk is which worker took an entry, for the server writes that down by itself.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from redis.asyncio import Redis

from index.entries import Filter
from index.records.connection import BytesRedis, server_time_ms
from index.records.keys import REPLIES, Keys
from index.records.scripting import Scripts, flat
from index.records.slots import Slots
from index.records.streams import Rows, claim_idle, read_new

logger = logging.getLogger(__name__)
REPLY_LIFE_S = 60


@dataclass(frozen=True, slots=True)
class QueryTask:
    """One query. Pictures are not in it: `crops` names a `.npy` file in the media store, uint8 (n, T, H, W, 3).

    `lengths` are the real frames of each clip, `groups` the clips of each uploaded file. `vector` (float16) takes the
    place of all three where the query is a track of the gallery. `deadline_ms` is by the server's clock.
    """

    id: str
    reply_to: str
    crops: str | None
    lengths: list[int]
    groups: list[int]
    vector: bytes | None
    k: int
    filter: Filter
    min_score: float | None
    min_version: int | None
    deadline_ms: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker says to one query; `payload` is JSON."""

    entry_id: str
    reply_to: str
    query_id: str
    payload: dict[str, Any]


class Queries:
    """The queries of one space."""

    def __init__(self, redis: Redis, space_id: str) -> None:
        self._redis: BytesRedis = redis
        self._stream = Keys(space_id).of("QUERY")
        self._slots = Slots(redis, space_id, "query")
        self._scripts = Scripts(redis, Keys(space_id))

    async def reserve(self, slot_id: str, *, limit: int, ttl_s: float) -> bool:
        """Take a place in the queue; False when `limit` are taken."""
        return await self._slots.reserve(slot_id, limit=limit, ttl_s=ttl_s)

    async def release(self, slot_id: str) -> None:
        """Give the place back."""
        await self._slots.release(slot_id)

    async def submit(self, task: QueryTask) -> str:
        """Hand a query to the workers; the id of its entry."""
        entry: bytes = await self._scripts.run("ask", *flat(list(_fields(task).items())))
        return entry.decode()

    async def forget(self, entry_id: str) -> None:
        """Take a query back: nobody waits for its answer any more."""
        await self._drop([entry_id])

    async def take(self, consumer: str, count: int, block_ms: int) -> list[tuple[str, QueryTask]]:
        """New queries, waiting up to `block_ms` for the first."""
        return await self._tasks(await read_new(self._redis, self._stream, consumer, count, block_ms))

    async def take_over(self, consumer: str, count: int, idle_s: float = 5.0) -> list[tuple[str, QueryTask]]:
        """Queries that another worker took and did not answer; those past their deadline are dropped."""
        tasks = await self._tasks(await claim_idle(self._redis, self._stream, consumer, int(idle_s * 1000), count))
        now = await server_time_ms(self._redis) if tasks else 0
        late = {entry_id for entry_id, task in tasks if task.deadline_ms <= now}
        if late:
            await self._drop(sorted(late))
        return [(entry_id, task) for entry_id, task in tasks if entry_id not in late]

    async def answer(self, answers: Sequence[Answer]) -> None:
        """Send answers and take their queries off the stream."""
        if not answers:
            return
        replies = [
            (REPLIES + each.reply_to, orjson.dumps(each.payload | {"query_id": each.query_id})) for each in answers
        ]
        await self._scripts.run("reply", REPLY_LIFE_S, *flat(replies))
        await self._drop([each.entry_id for each in answers])

    async def _tasks(self, rows: Rows) -> list[tuple[str, QueryTask]]:
        """The queries of these entries; one that cannot be read, of another release perhaps, is dropped and logged."""
        tasks: list[tuple[str, QueryTask]] = []
        for entry_id, fields in rows:
            try:
                tasks.append((entry_id.decode(), _task(fields)))
            except (KeyError, TypeError, ValueError) as error:
                logger.error("query entry %s cannot be read and was dropped: %r", entry_id.decode(), error)
                await self._drop([entry_id.decode()])
        return tasks

    async def _drop(self, entries: Sequence[str]) -> None:
        await self._scripts.run("unask", *entries)


def _fields(task: QueryTask) -> dict[str, bytes]:
    values = {name: getattr(task, name) for name in QueryTask.__slots__ if name not in ("vector", "filter")}
    fields = {"task": orjson.dumps(values | {"filter": asdict(task.filter)})}
    return fields if task.vector is None else fields | {"vector": task.vector}


def _task(fields: dict[bytes, bytes]) -> QueryTask:
    values = orjson.loads(fields[b"task"])
    wanted = values.pop("filter")
    return QueryTask(**values, vector=fields.get(b"vector"), filter=_filter(wanted))


def _filter(values: dict[str, Any]) -> Filter:
    return Filter(
        kind=values["kind"],
        camera_ids=tuple(values["camera_ids"]),
        from_ms=values["from_ms"],
        to_ms=values["to_ms"],
        tags=tuple((name, value) for name, value in values["tags"]),
        item_ids=tuple(values["item_ids"]),
        exclude_item_ids=tuple(values["exclude_item_ids"]),
    )
