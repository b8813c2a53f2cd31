"""The api's part of the conversation, without HTTP: uploads, queries, erasures, and waiting for states."""

import asyncio
import hashlib
import io
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from redis.asyncio import Redis

from index.entries import Filter, Kind
from index.records.erase import Erasure
from index.records.ids import new_id
from index.records.intake import Intake
from index.records.items import Item, Items
from index.records.job import Job
from index.records.jobs import Jobs
from index.records.processes import Processes
from index.records.queries import Queries, QueryTask
from index.records.replies import Replies, Reply
from service.media import MediaStore
from tests.worker.colour_encoder import SAMPLING
from tests.worker.media_files import Colour

Answer = TypeVar("Answer")
PATIENCE_S = 20.0


async def eventually(look: Callable[[], Awaitable[Answer | None]]) -> Answer:
    """Look until something is seen; for states that no event tells of."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            seen = await look()
            if seen:
                return seen
            await asyncio.sleep(0.02)


class Door:
    """What an api process does with the records and the media store."""

    def __init__(self, redis: Redis, space_id: str, media: MediaStore, process: str = "api-test") -> None:
        self.redis = redis
        self.space_id = space_id
        self.media = media
        self.process = process
        self.intake = Intake(redis, space_id)
        self.items = Items(redis, space_id)
        self.jobs = Jobs(redis, space_id)
        self.queries = Queries(redis, space_id)
        self.erasure = Erasure(redis, space_id)
        self.processes = Processes(redis)
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self.late: list[str] = []  # replies nobody waited for
        self._reading: asyncio.Task[None] | None = None

    async def open(self) -> None:
        self._reading = asyncio.create_task(Replies(self.redis, self.process).run(self._replied))

    async def close(self) -> None:
        if self._reading is not None:
            # Again and again: on Python 3.11 a cancellation can get lost in `asyncio.wait_for`.
            while not self._reading.done():
                self._reading.cancel()
                await asyncio.wait({self._reading}, timeout=0.1)
            await asyncio.gather(self._reading, return_exceptions=True)

    def _replied(self, message: object) -> None:
        if isinstance(message, Reply):
            future = self._waiting.pop(message.query_id, None)
            if future is None or future.done():
                self.late.append(message.query_id)
            else:
                future.set_result(message.payload)

    async def upload(
        self,
        path: Path,
        kind: Kind = "video",
        *,
        camera_id: str | None = None,
        captured_at_ms: int | None = None,
        tags: dict[str, str] | None = None,
    ) -> str:
        """Accept one file; the item's id."""
        item_id = new_id()
        content = path.read_bytes()
        assert await self.intake.reserve(item_id, limit=1000, ttl_s=60)
        copy = self.media.scratch_dir / item_id
        copy.write_bytes(content)
        self.media.put_file(copy, f"{self.space_id}/{item_id}/original")
        item = Item(
            id=item_id,
            kind=kind,
            content="tracklet",
            status="queued",
            camera_id=camera_id,
            captured_at_ms=captured_at_ms,
            tags=tags or {},
            filename=path.name,
            media_type="video/mp4" if kind == "video" else "image/jpeg",
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            created_ms=round(time.time() * 1000),
            n_tracks=0,
            gallery_version=None,
        )
        await self.intake.accept(item, idempotency=None)
        return item_id

    async def job_in(self, item_id: str, *states: str) -> Job:
        """The item's job, once it is in one of the states."""

        async def look() -> Job | None:
            job = await self.jobs.get(item_id)
            return job if job.state in states else None

        return await eventually(look)

    async def done(self, *item_ids: str) -> list[Job]:
        return [await self.job_in(item_id, "done") for item_id in item_ids]

    async def ask(
        self,
        *colours: Colour,
        k: int = 5,
        filter: Filter | None = None,
        min_version: int | None = None,
        min_score: float | None = None,
        deadline_s: float = 15.0,
    ) -> dict[str, Any]:
        """Ask with one plain picture of each colour, all of one person; the worker's payload."""
        crops = np.stack([plain_crop(colour) for colour in colours])
        return await self.ask_with(
            crops,
            [1] * len(colours),
            [1] * len(colours),
            k=k,
            filter=filter,
            min_version=min_version,
            min_score=min_score,
            deadline_s=deadline_s,
        )

    async def ask_with(
        self,
        crops: "np.ndarray[Any, Any] | None",
        lengths: Sequence[int] = (),
        groups: Sequence[int] = (),
        *,
        vector: bytes | None = None,
        k: int = 5,
        filter: Filter | None = None,
        min_version: int | None = None,
        min_score: float | None = None,
        deadline_s: float = 15.0,
    ) -> dict[str, Any]:
        query_id = new_id()
        key = None
        if crops is not None:
            key = f"queries/{query_id}.npy"
            self.media.write(key, npy(crops))
        task = QueryTask(
            id=query_id,
            reply_to=self.process,
            crops=key,
            lengths=list(lengths),
            groups=list(groups),
            vector=vector,
            k=k,
            filter=filter or Filter(),
            min_score=min_score,
            min_version=min_version,
            deadline_ms=round((time.time() + deadline_s) * 1000),
        )
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[query_id] = reply
        await self.queries.submit(task)
        async with asyncio.timeout(PATIENCE_S):
            payload = await reply
        if key is not None:
            self.media.delete(key)
        return payload

    async def items_found(self, *colours: Colour, **how: Any) -> list[str]:
        """Item ids of the hits, best first."""
        payload = await self.ask(*colours, **how)
        assert payload["ok"], payload
        return [track_id[:32] for track_id, _ in payload["hits"]]


def plain_crop(colour: Colour) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    """A clip of one frame of one colour."""
    return np.full((1, SAMPLING.height, SAMPLING.width, 3), colour, np.uint8)


def npy(array: "np.ndarray[Any, Any]") -> bytes:
    memory = io.BytesIO()
    np.save(memory, array)
    return memory.getvalue()
