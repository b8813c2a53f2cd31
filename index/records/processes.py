"""Which processes live, and how far they are: reports with a short life."""

from dataclasses import asdict, dataclass

import orjson
from redis.asyncio import Redis

from index.records.connection import BytesRedis, answered, server_time_ms
from index.records.keys import PROCESS, PROCESSES


@dataclass(frozen=True, slots=True)
class ProcessReport:
    """What one process says of itself. `metrics` is in the Prometheus text format."""

    name: str
    role: str
    space_id: str
    applied_seq: int  # log position of its index
    snapshot_seq: int  # log position of the older snapshot it keeps
    ready: bool
    metrics: str
    updated_ms: int


class Processes:
    """The reports of all live processes."""

    def __init__(self, redis: Redis) -> None:
        self._redis: BytesRedis = redis

    async def publish(self, report: ProcessReport, *, ttl_s: float) -> None:
        """Replace the process's report; it vanishes `ttl_s` seconds after the last one."""
        life_ms = int(ttl_s * 1000)
        end = await server_time_ms(self._redis) + life_ms
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.set(PROCESS + report.name, orjson.dumps(asdict(report)), px=life_ms)
        pipeline.zadd(PROCESSES, {report.name: end})
        with answered():
            await pipeline.execute()

    async def all(self) -> list[ProcessReport]:
        """The reports of the processes that live, by name."""
        now = await server_time_ms(self._redis)
        with answered():
            await self._redis.zremrangebyscore(PROCESSES, "-inf", now)
            names = await self._redis.zrange(PROCESSES, 0, -1)
            records = await self._redis.mget([PROCESS + name.decode() for name in names]) if names else []
        reports = [ProcessReport(**orjson.loads(record)) for record in records if record is not None]
        return sorted(reports, key=lambda report: report.name)

    async def remove(self, name: str) -> None:
        """Take a report away: the process stops."""
        with answered():
            await self._redis.delete(PROCESS + name)
            await self._redis.zrem(PROCESSES, name)
