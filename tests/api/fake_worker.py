"""A worker small enough to read: the real records, and an embedding that is the mean colour."""

import asyncio
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from redis.asyncio import Redis

from index.entries import Filter
from index.records.items import Item, Items
from index.records.log import Log
from index.records.processes import Processes, ProcessReport
from index.records.queries import Answer, Queries, QueryTask
from index.records.spaces import Spaces
from index.records.work import Lease, NewTrack, Work
from index.space import Space
from service.decode.crops import CropSampling, DecodeLimits
from service.decode.errors import MediaError
from service.decode.pool import DecoderPool
from service.errors import Problem
from service.media import MediaStore
from service.metrics import WorkerMetrics

SPACE = Space(
    id="colour-00000000c01012ed",
    encoder="colour",
    dimension=8,
    frames=4,
    max_clips=4,
    height=32,
    width=16,
    fingerprint="00000000c01012ed",
    trained=False,
    licence="Apache-2.0",
    training_data="none",
)
Vector = npt.NDArray[np.float32]


def embed(clips: npt.NDArray[np.uint8]) -> Vector:
    """Unit float32 (8,) of the mean colour of uint8 clips (n, T, H, W, 3)."""
    embedding = np.zeros(SPACE.dimension, np.float32)
    embedding[:3] = clips.mean(axis=(0, 1, 2, 3), dtype=np.float32) / 255 - 0.5
    embedding[3] = 0.1  # grey has a direction, too
    unit: Vector = embedding / np.linalg.norm(embedding)
    return unit


class FakeWorker:
    """Encodes what is uploaded and answers what is asked, one thing after the other.

    `busy`: nothing is taken, so uploads and queries wait. `refuses`: what queries are answered with.
    """

    def __init__(self, redis: Redis, media: MediaStore, limits: DecodeLimits, name: str = "worker-fake") -> None:
        self.name = name
        self.idle = asyncio.Event()
        self.idle.set()
        self.refuses: dict[str, Any] | None = None
        self.metrics = WorkerMetrics()
        self.asked: list[QueryTask] = []
        self.shapes: list[tuple[int, ...]] = []
        self._redis = redis
        self._media = media
        self._decoders = DecoderPool(limits, children=1)
        self._work = Work(redis, SPACE.id, name, lease_s=10, max_attempts=1)
        self._queries = Queries(redis, SPACE.id)
        self._items = Items(redis, SPACE.id)
        self._log = Log(redis, SPACE.id)
        self._processes = Processes(redis)

    async def run(self) -> None:
        """Work until cancelled."""
        await Spaces(self._redis).register(SPACE, activate_new=False)
        await self.report(ready=True)
        await self._decoders.start()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._ingest())
                group.create_task(self._answer())
        finally:
            await self._decoders.close()

    async def report(self, *, ready: bool) -> None:
        """Say how far this worker is."""
        applied = await self._log.head()
        text = self.metrics.text()
        report = ProcessReport(self.name, "worker", SPACE.id, applied, 0, ready, text, 0)
        await self._processes.publish(report, ttl_s=60)

    async def _ingest(self) -> None:
        while True:
            await self.idle.wait()
            for entry in await self._work.take(1, 50):
                await self.idle.wait()  # it may have been stopped while the read was waiting
                lease = await self._work.begin(entry)
                if lease is not None:
                    await self._finish(lease)

    async def _finish(self, lease: Lease) -> None:
        item = lease.item
        try:
            with self._media.local_path(f"{SPACE.id}/{item.id}/original") as path:
                sampling = CropSampling(SPACE.frames, SPACE.height, SPACE.width, SPACE.max_clips, SPACE.rule)
                crops = await self._decoders.crops(path, sampling, thumbnail=True, expect=item.kind)
        except MediaError as error:
            self._media.delete_tree(f"{SPACE.id}/{item.id}")
            await self._work.fail(lease, Problem(error.status, error.code, error.detail).body(), retry_in_s=None)
            return
        self._media.write(f"{SPACE.id}/{item.id}/0000.jpg", crops.thumbnail or b"")
        start = item.captured_at_ms
        track = NewTrack(
            ordinal=0,
            start_ms=start,
            end_ms=None if start is None else start + int(1000 * crops.end_s),
            offset_start_s=crops.start_s,
            offset_end_s=crops.end_s,
            n_frames=crops.n_frames,
            box=crops.box,
            vector=embed(crops.clips).astype(np.float16).tobytes(),
        )
        version = await self._work.finish(lease, [track])
        if version is not None:
            self.metrics.count_job("done")
            await self._log.announce(version, self.name)
            await self.report(ready=True)

    async def _answer(self) -> None:
        while True:
            await self.idle.wait()
            for entry_id, task in await self._queries.take(self.name, 16, 50):
                await self.idle.wait()
                self.asked.append(task)
                payload = self.refuses or await self._search(task)
                await self._queries.answer([Answer(entry_id, task.reply_to, task.id, payload)])

    async def _search(self, task: QueryTask) -> dict[str, Any]:
        wanted = self._vector(task)
        found: list[tuple[str, float]] = []
        async for entry in self._log.scan_tracks():
            item = await self._items.get(entry.item_id)
            score = float(np.frombuffer(entry.vector, np.float16).astype(np.float32) @ wanted)
            if _passes(item, task.filter) and score >= (-2 if task.min_score is None else task.min_score):
                found.append((entry.track_id, score))
        found.sort(key=lambda hit: -hit[1])
        return {
            "ok": True,
            "gallery_version": await self._log.head(),
            "partial": False,
            "hits": found[: task.k],
            "timings_ms": {"queue": 0.1, "encode": 0.2, "search": 0.3},
        }

    def _vector(self, task: QueryTask) -> Vector:
        if task.vector is not None:
            return np.frombuffer(task.vector, np.float16).astype(np.float32)
        assert task.crops is not None
        clips = np.load(io.BytesIO(self._media.read(task.crops)), allow_pickle=False)
        self.shapes.append(clips.shape)
        return embed(clips)


def _passes(item: Item, wanted: Filter) -> bool:
    tags: Sequence[tuple[str, str]] = wanted.tags
    at = item.captured_at_ms
    timed = wanted.from_ms is not None or wanted.to_ms is not None
    return (
        wanted.kind in (None, item.kind)
        and (not wanted.camera_ids or item.camera_id in wanted.camera_ids)
        and item.id not in wanted.exclude_item_ids
        and all(item.tags.get(name) == text for name, text in tags)
        and (not timed or (at is not None and (wanted.from_ms or 0) <= at < (wanted.to_ms or 2**62)))
    )
