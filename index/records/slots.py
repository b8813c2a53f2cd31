"""Places in a queue, reserved before the work for them begins: the bound behind 429."""

from typing import Literal

from redis.asyncio import Redis

from index.records.keys import Keys
from index.records.scripting import Scripts

Queue = Literal["ingest", "query"]


class Slots:
    """The slots of one queue. A reservation ends by itself, so that a dead api does not hold it for ever."""

    def __init__(self, redis: Redis, space_id: str, queue: Queue) -> None:
        self._queue = queue
        self._scripts = Scripts(redis, Keys(space_id))

    async def reserve(self, holder: str, *, limit: int, ttl_s: float) -> bool:
        """Take a slot for `ttl_s` seconds; False when `limit` are taken."""
        return bool(await self._scripts.run("reserve", self._queue, holder, limit, int(ttl_s * 1000)))

    async def release(self, holder: str) -> None:
        """Give a slot back; one that is not held is no error."""
        await self._scripts.run("release", self._queue, holder)
