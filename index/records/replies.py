"""What comes back to an api process: answers to its queries, and notifications."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from redis.asyncio import Redis

from index.records.connection import BytesRedis, answered
from index.records.keys import EVENTS, REPLIES

logger = logging.getLogger(__name__)
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
        last: dict[str, bytes | str] = {self._stream: "0", EVENTS: await self._newest_event()}
        while True:
            with answered():
                reply = await self._redis.xread(last, count=READ_AT_ONCE, block=BLOCK_MS)
            for stream, rows in reply or ():
                name = stream.decode()
                last[name] = rows[-1][0]
                for _, fields in rows:
                    self._hand_on(handler, _event if name == EVENTS else _reply, fields)

    def _hand_on(
        self,
        handler: Callable[[Reply | Event], None],
        read: Callable[[dict[bytes, bytes]], Reply | Event],
        fields: dict[bytes, bytes],
    ) -> None:
        """Give one message to the handler. What it fails on must not keep all others from arriving."""
        try:
            handler(read(fields))
        except Exception:
            logger.exception("a message to %s was dropped", self._stream)

    async def _newest_event(self) -> bytes | str:
        with answered():
            newest = await self._redis.xrevrange(EVENTS, count=1)
        return newest[0][0] if newest else "0"


def _reply(fields: dict[bytes, bytes]) -> Reply:
    payload = orjson.loads(fields[b"answer"])
    return Reply(payload.pop("query_id"), payload)


def _event(fields: dict[bytes, bytes]) -> Event:
    return Event(fields[b"kind"].decode(), fields[b"id"].decode(), fields[b"state"].decode())
