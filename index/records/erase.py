"""Erasing with proof: every place that holds something of an item, and whether it is gone from there."""

from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from index.entries import Kind
from index.errors import NotFound
from index.records.connection import BytesRedis, answered
from index.records.ids import new_id
from index.records.job import PROOF, Job, job_of
from index.records.keys import Keys
from index.records.scripting import Scripts, flat

#: What the erase script itself empties is done with it; the rest follows and is marked.
PLACES: Final = {
    "metadata": "done",
    "queued_work": "done",
    "vectors": "pending",
    "snapshots": "pending",
    "append_only_file": "pending",
    "media": "pending",
    "thumbnails": "pending",
}


@dataclass(frozen=True, slots=True)
class OpenErasure:
    """An erasure whose proof is not complete. At log position `seq` the item is gone from the gallery."""

    job_id: str
    item_id: str
    seq: int
    pending: frozenset[str]


class Erasure:
    """Erases items of one space."""

    def __init__(self, redis: Redis, space_id: str) -> None:
        self._redis: BytesRedis = redis
        self._keys = Keys(space_id)
        self._scripts = Scripts(redis, self._keys)

    async def erase_item(self, item_id: str, kind: Kind) -> Job:
        """Take an item, its tracks and its work out of the records, durably; the job with the proof.

        A worker that holds the item's lease can write nothing from then on.

        Raises:
            NotFound: there is no such item.
            NotDurable, StoreUnavailable: nothing is promised.
        """
        job_id = new_id()
        if await self._scripts.run_durably("erase", item_id, kind, job_id, *flat(list(PLACES.items()))) is None:
            raise NotFound("item", item_id)
        with answered():
            job = job_of(job_id, await self._redis.hgetall(self._keys.of("JOB", job_id)))
        if job is None:
            raise NotFound("job", job_id)
        return job

    async def mark(self, job_id: str, place: str) -> None:
        """Say that a place is done; the job is done when all are. Raises NotFound: no such job or place."""
        if await self._scripts.run("mark", job_id, place) is None:
            raise NotFound(f"erasure with the place {place}", job_id)

    async def open(self) -> list[OpenErasure]:
        """Erasures whose proof is not complete, the oldest first."""
        with answered():
            ids = await self._redis.zrange(self._keys.of("ERASURES"), 0, -1, withscores=True)
            pipeline = self._redis.pipeline(transaction=False)
            for job_id, _ in ids:
                pipeline.hgetall(self._keys.of("JOB", job_id.decode()))
            rows = await pipeline.execute()
        return [
            OpenErasure(job_id.decode(), row[b"item"].decode(), int(seq), _pending(row))
            for (job_id, seq), row in zip(ids, rows, strict=True)
            if b"item" in row
        ]


def _pending(row: dict[bytes, bytes]) -> frozenset[str]:
    return frozenset(
        name.decode().removeprefix(PROOF)
        for name, value in row.items()
        if name.decode().startswith(PROOF) and value != b"done"
    )
