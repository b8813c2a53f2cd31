"""The Redis server's clock, by which all processes agree on deadlines."""

import time

from redis.asyncio import Redis

from index.records.connection import server_time_ms


class ServerClock:
    """Milliseconds of Unix time as the server counts them, without asking it each time."""

    def __init__(self) -> None:
        self._offset_ms = time.time() * 1000 - time.monotonic() * 1000  # until the first `sync`

    async def sync(self, redis: Redis) -> None:
        """Ask the server; right to within half the round trip.

        Raises:
            StoreUnavailable: it does not answer.
        """
        before = time.monotonic()
        server_ms = await server_time_ms(redis)
        middle = (before + time.monotonic()) / 2
        self._offset_ms = server_ms - middle * 1000

    def now_ms(self) -> float:
        return time.monotonic() * 1000 + self._offset_ms

    def monotonic(self, at_ms: float) -> float:
        """The local `time.monotonic()` seconds of a server time in milliseconds."""
        return (at_ms - self._offset_ms) / 1000
