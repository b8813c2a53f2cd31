"""What comes back to an api process: answers to its queries, and notifications."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from redis.asyncio import Redis

from index.records.connection import BytesRedis, answered
from index.records.keys import EVENTS, REPLIES

BLOCK_MS = 5000
READ_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one query; `payload` as the worker gave it."""

    query_id: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened: a `job` changed its state, a worker `applied` the log so far, an `erase` went on.

    A notification may be missed; what it tells can always be read from the records.
    """

    kind: str
    id: str
    state: str


class Replies:
    """The one reader of an api process's reply stream, and of the events of all spaces."""

    def __init__(self, redis: Redis, process: str) -> None:
        self._redis: BytesRedis = redis
        self._stream = REPLIES + process

    async def run(self, handler: Callable[[Reply | Event], None]) -> None:
        """Hand on what comes, from now on, until cancelled.

        Raises:
            StoreUnavailable: the store went away; run it again when it is back.
        """
        last: dict[Any, Any] = {self._stream: "0", EVENTS: await self._newest_event()}
        while True:
            with answered():
                reply = await self._redis.xread(last, count=READ_AT_ONCE, block=BLOCK_MS)
            for name, rows in _streams(reply):
                last[name] = rows[-1][0]
                for _entry_id, fields in rows:
                    handler(_event(fields) if name == EVENTS else _reply(fields))
                if name == self._stream:
                    await self._forget([entry_id for entry_id, _ in rows])

    async def _newest_event(self) -> bytes | str:
        with answered():
            newest = await self._redis.xrevrange(EVENTS, count=1)
        return newest[0][0] if newest else "0"

    async def _forget(self, entries: list[bytes]) -> None:
        with answered():
            await self._redis.xdel(self._stream, *entries)


def _streams(reply: Any) -> list[tuple[str, list[tuple[bytes, dict[bytes, bytes]]]]]:
    if not reply:
        return []
    if isinstance(reply, dict):
        return [(name.decode(), list(rows[0])) for name, rows in reply.items()]
    return [(name.decode(), rows) for name, rows in reply]


def _reply(fields: dict[bytes, bytes]) -> Reply:
    payload = orjson.loads(fields[b"answer"])
    return Reply(payload.pop("query_id"), payload)


def _event(fields: dict[bytes, bytes]) -> Event:
    return Event(fields[b"kind"].decode(), fields[b"id"].decode(), fields[b"state"].decode())
