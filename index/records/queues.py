"""How full the queues are, for dashboards."""

from dataclasses import dataclass

from index.records.connection import BytesRedis, answered, server_time_ms
from index.records.keys import Keys


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """One queue: what waits or runs in it, and for how long the oldest has (a retry: has been due), 0 when empty."""

    queue: str  # ingest, query or retry
    items: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class StoreFigures:
    """The queues of one space, its dead letters, and the slots that are taken, by queue."""

    queues: list[QueueFigures]
    dead_letters: int
    slots: dict[str, int]


async def queue_figures(redis: BytesRedis, space_id: str) -> StoreFigures:
    """Read all figures in one round trip."""
    keys = Keys(space_id)
    now = await server_time_ms(redis)
    pipeline = redis.pipeline(transaction=False)
    for name in ("INGEST", "QUERY"):
        pipeline.xlen(keys.of(name))
        pipeline.xrange(keys.of(name), count=1)
    pipeline.zcard(keys.of("RETRY"))
    pipeline.zrange(keys.of("RETRY"), 0, 0, withscores=True)
    pipeline.zcard(keys.of("JOBS", "dead"))
    for queue in ("ingest", "query"):
        pipeline.zcount(keys.of("SLOTS", queue), now, "+inf")
    with answered():
        (
            ingest,
            first_ingest,
            query,
            first_query,
            retry,
            first_due,
            dead,
            ingest_slots,
            query_slots,
        ) = await pipeline.execute()
    return StoreFigures(
        queues=[
            QueueFigures("ingest", ingest, _age_s(first_ingest, now)),
            QueueFigures("query", query, _age_s(first_query, now)),
            QueueFigures("retry", retry, max(0.0, (now - first_due[0][1]) / 1000) if first_due else 0.0),
        ],
        dead_letters=dead,
        slots={"ingest": ingest_slots, "query": query_slots},
    )


def _age_s(first: list[tuple[bytes, dict[bytes, bytes]]], now: int) -> float:
    if not first:
        return 0.0
    return max(0.0, (now - int(first[0][0].split(b"-")[0])) / 1000)
