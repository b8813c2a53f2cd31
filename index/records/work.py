"""The worker's side of ingest: taking, holding, finishing and failing jobs under a fenced lease.

A consumer group alone protects nothing: a worker that was only slow still believes the entry is its own. So a job has a
token, every taking counts it up, and renewing, finishing and failing are scripts that write only under the newest one.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import orjson
from redis.asyncio import Redis

from index.entries import track_digest
from index.records.connection import BytesRedis
from index.records.ids import track_id
from index.records.items import Item, item_of
from index.records.job import JobState
from index.records.keys import Keys
from index.records.scripting import Scripts
from index.records.shared_pipeline import Argument
from index.records.streams import Rows, claim_idle, read_new

WAKE_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the work stream that was handed to this worker."""

    entry_id: str
    job_id: str


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to finish a job, good as long as its token is the newest. `attempt` counts from 1."""

    entry: Entry
    token: int
    attempt: int
    item: Item


@dataclass(frozen=True, slots=True)
class NewTrack:
    """A track found in an item. `vector` is float16, unit length; times as in `Track`."""

    ordinal: int
    start_ms: int | None
    end_ms: int | None
    offset_start_s: float
    offset_end_s: float
    n_frames: int
    box: tuple[int, int, int, int]
    vector: bytes


class Work:
    """The ingest work of one space, as one worker (`consumer`) sees it."""

    def __init__(self, redis: Redis, space_id: str, consumer: str, *, lease_s: float, max_attempts: int) -> None:
        self._redis: BytesRedis = redis
        self._stream = Keys(space_id).of("INGEST")
        self._scripts = Scripts(redis, Keys(space_id))
        self._consumer = consumer
        self._lease_ms = int(lease_s * 1000)
        self._max_attempts = max_attempts

    async def take(self, count: int, block_ms: int) -> list[Entry]:
        """New entries, waiting up to `block_ms` for the first."""
        return _entries(await read_new(self._redis, self._stream, self._consumer, count, block_ms))

    async def take_over(self, count: int) -> list[Entry]:
        """Entries of workers that let their lease run out."""
        return _entries(await claim_idle(self._redis, self._stream, self._consumer, self._lease_ms, count))

    async def begin(self, entry: Entry) -> Lease | None:
        """Count the attempt and take the lease; None when there is nothing left to do with this entry.

        That is so when the entry was taken over by another worker, or the job was erased, ended, waits under another
        entry, or used up its attempts, in which case it is dead now, with the problem `attempts_exhausted`.
        """
        exhausted = orjson.dumps(
            {
                "type": "urn:vills:problem:attempts_exhausted",
                "title": "attempts exhausted",
                "status": 500,
                "code": "attempts_exhausted",
                "detail": f"each of {self._max_attempts} attempts ended with its worker: look at the workers' logs, "
                f"then POST /jobs/{entry.job_id}/retry",
            }
        )
        own = (entry.job_id, entry.entry_id, self._consumer)
        taken = await self._scripts.run("begin", *own, self._max_attempts, exhausted)
        if taken is None:
            return None
        token, attempt, *fields = taken
        item = item_of(fields)
        return None if item is None else Lease(entry, int(token), int(attempt), item)

    async def renew(self, lease: Lease) -> bool:
        """Keep the lease for another term; False when it belongs to somebody else."""
        job, token, entry = _fence(lease)
        return bool(await self._scripts.run("renew", job, token, entry, self._consumer))

    async def finish(self, lease: Lease, tracks: Sequence[NewTrack]) -> int | None:
        """Write everything of an item at once, durably; the gallery version that holds it.

        None when the lease belongs to somebody else: then nothing was written.

        Raises:
            NotDurable, StoreUnavailable: it may have been written; calling again gives the same answer.
        """
        arguments: list[Argument] = [*_fence(lease), lease.item.kind]
        for track in tracks:
            own_id = track_id(lease.item.id, track.ordinal)
            digest = f"{track_digest(own_id, track.vector):016x}"
            arguments += [own_id, _record(own_id, lease.item, track), track.vector, digest]
        version = await self._scripts.run_durably("finish", *arguments)
        return None if version is None else int(version)

    async def fail(self, lease: Lease, problem: dict[str, Any], *, retry_in_s: float | None) -> JobState | None:
        """End the attempt: `retrying` after a while, or `dead` at once (None) or when no attempt is left.

        None when the lease belongs to somebody else. Calling again gives the same answer.
        """
        wait = -1 if retry_in_s is None else int(retry_in_s * 1000)
        state = await self._scripts.run_durably("fail", *_fence(lease), orjson.dumps(problem), wait, self._max_attempts)
        return None if state is None else state.decode()

    async def wake_retries(self) -> float | None:
        """Put the retries that are due back into the stream; seconds until the next one is, None when none waits."""
        wait = int(await self._scripts.run("wake", WAKE_AT_ONCE))
        return None if wait < 0 else wait / 1000


def _fence(lease: Lease) -> tuple[str, int, str]:
    return lease.entry.job_id, lease.token, lease.entry.entry_id


def _record(own_id: str, item: Item, track: NewTrack) -> bytes:
    if len(track.vector) % np.dtype(np.float16).itemsize or not track.vector:
        raise ValueError(f"a track's vector is float16 bytes, got {len(track.vector)} bytes")
    values = asdict(track) | {"id": own_id, "item_id": item.id, "kind": item.kind, "camera_id": item.camera_id}
    del values["vector"]
    return orjson.dumps(values)


def _entries(rows: Rows) -> list[Entry]:
    return [Entry(entry_id.decode(), fields[b"job"].decode()) for entry_id, fields in rows]
