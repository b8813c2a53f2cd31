"""The Redis server's clock, by which api and workers agree on deadlines."""

import time

from redis.asyncio import Redis


class ServerClock:
    """Milliseconds of Unix time as the server counts them, without asking it for each query."""

    def __init__(self) -> None:
        self._offset_ms = 0.0

    async def sync(self, redis: Redis) -> None:
        """Ask the server; right to within half the round trip."""
        before = time.monotonic()
        seconds, microseconds = await redis.time()
        middle = (before + time.monotonic()) / 2
        self._offset_ms = seconds * 1000 + microseconds / 1000 - middle * 1000

    def now_ms(self) -> int:
        return int(time.monotonic() * 1000 + self._offset_ms)
