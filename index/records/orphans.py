"""Which items' media have lost their owner: nothing in the records will ever ask for them, nor take them away."""

from collections.abc import Sequence

from redis.asyncio import Redis

from index.records.connection import BytesRedis, answered
from index.records.keys import Keys


class Orphans:
    """Tells the media that belong to something in the records of one space from those that do not."""

    def __init__(self, redis: Redis, space_id: str) -> None:
        self._redis: BytesRedis = redis
        self._keys = Keys(space_id)

    async def among(self, item_ids: Sequence[str]) -> list[str]:
        """Those that are neither an item nor an upload with a slot, and those that failed for good; one round trip."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.time()
        for item_id in item_ids:
            # The slot first: an upload that is accepted between the two is seen as an item.
            pipeline.zscore(self._keys.of("SLOTS", "ingest"), item_id)
            pipeline.exists(self._keys.of("ITEM", item_id))
            pipeline.hmget(self._keys.of("JOB", item_id), ("state", "retryable"))
        with answered():
            (seconds, microseconds), *rows = await pipeline.execute()
        now_ms = seconds * 1000 + microseconds // 1000
        found = zip(item_ids, rows[0::3], rows[1::3], rows[2::3], strict=True)
        return [
            item_id
            for item_id, slot_end_ms, is_item, job in found
            if (tuple(job) == (b"dead", b"0") if is_item else slot_end_ms is None or slot_end_ms < now_ms)
        ]
