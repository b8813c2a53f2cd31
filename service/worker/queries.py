"""Queries: read many at a time, load, encode; `answering` does the rest."""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import anyio
import numpy as np

from index.errors import StoreUnavailable
from index.records.queries import Queries, QueryTask
from model.errors import DeviceFailed
from model.sampling import Sampling
from service.media import MediaStore
from service.metrics import WorkerMetrics
from service.worker.answering import Answerer, Asked
from service.worker.batcher import Batcher, BatcherClosed, DeadlineExceeded, Promised
from service.worker.clock import ServerClock
from service.worker.encoding import Clip, Vector, person_vector, unit_mean
from service.worker.outage import outlast
from service.worker.query_crops import BadCrops, load_all
from service.worker.stopping import unless
from service.worker.view import GalleryView

logger = logging.getLogger(__name__)
# So many frames are read from local files (about 0.1 MB each, just written) in less time than a thread takes to begin.
FEW_FRAMES = 8


@dataclass(frozen=True, slots=True)
class QueryPolicy:
    """How many queries a worker holds, and for how long a silent one may."""

    most_in_flight: int  # a few batches: more could not be answered by another worker meanwhile
    block_ms: int = 500  # a stopping worker finishes its read, so this is also what stopping may cost
    take_over_idle_s: float = 5.0  # a query that lies with a worker for so long is taken from it


class QueryReader:
    """Keeps the batcher supplied with queries: enough in flight to fill batches, and no more."""

    def __init__(
        self,
        queries: Queries,
        consumer: str,
        batcher: Batcher[Clip, Vector],
        media: MediaStore,
        view: GalleryView,
        clock: ServerClock,
        sampling: Sampling,
        metrics: WorkerMetrics,
        policy: QueryPolicy,
    ) -> None:
        self._queries = queries
        self._consumer = consumer
        self._batcher = batcher
        self._media = media
        self._view = view
        self._clock = clock
        self._sampling = sampling
        self._metrics = metrics
        self._policy = policy
        self._answerer = Answerer(queries, view, answered=self._forget)
        self._in_flight: set[str] = set()  # entry ids
        self._freed = asyncio.Event()
        self._next_take_over = 0.0

    async def run(self, stopping: asyncio.Event, drain_s: float) -> None:
        """Serve until told to stop; then finish what was taken, for `drain_s` at most."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._answerer.run)
            while not stopping.is_set():
                await self._read(stopping)
            await self._drain(drain_s)
            group.cancel_scope.cancel()

    async def _read(self, stopping: asyncio.Event) -> None:
        """One read, once there is room and a gallery to search in."""
        self._freed.clear()
        room = self._policy.most_in_flight - len(self._in_flight)
        if not self._view.ready:
            await unless(stopping, self._view.fit())
        elif room <= 0:
            await unless(stopping, self._freed.wait())
        else:
            try:
                taken = await outlast(lambda: self._take(room), give_up=stopping.is_set)
            except StoreUnavailable:
                return  # stopping, and there is nothing to take anything from
            await self._begin([self._asked(*each) for each in taken if each[0] not in self._in_flight])

    async def _take(self, room: int) -> list[tuple[str, QueryTask]]:
        if time.monotonic() >= self._next_take_over:
            idle_s = self._policy.take_over_idle_s
            self._next_take_over = time.monotonic() + idle_s / 2
            left_behind = await self._queries.take_over(self._consumer, room, idle_s=idle_s)
            if left_behind:
                return left_behind
        return await self._queries.take(self._consumer, room, self._policy.block_ms)

    def _asked(self, entry_id: str, task: QueryTask) -> Asked:
        entered_ms = float(entry_id.partition("-")[0])  # stream ids begin with the server's time
        return Asked(entry_id, task, self._clock.monotonic(entered_ms), self._clock.monotonic(task.deadline_ms))

    async def _begin(self, lot: Sequence[Asked]) -> None:
        """Send each on its way: crops to the encoder, ready vectors straight to the search."""
        self._in_flight.update(asked.entry_id for asked in lot)
        with_crops: list[Asked] = []
        for asked in lot:
            if asked.task.crops is not None:
                with_crops.append(asked)
            else:
                self._begin_with_vector(asked)
        if with_crops:
            for asked, clips in zip(with_crops, await self._load(with_crops), strict=True):
                self._begin_with_clips(asked, clips)

    async def _load(self, lot: Sequence[Asked]) -> list[list[Clip] | BadCrops]:
        tasks = [asked.task for asked in lot]
        if self._media.is_local and sum(sum(task.lengths) for task in tasks) <= FEW_FRAMES:
            return load_all(self._media, tasks, self._sampling)
        return await asyncio.to_thread(load_all, self._media, tasks, self._sampling)

    def _begin_with_vector(self, asked: Asked) -> None:
        now = time.monotonic()
        try:
            asked.vector = self._stored_vector(asked.task.vector or b"")
        except ValueError as error:
            asked.refuse(422, "bad_vector", f"this query brings neither crops nor a usable vector: {error}")
        asked.timings_ms = {"queue": max(0.0, now - asked.asked_at) * 1000, "encode": 0.0}
        self._answerer.hand_in(asked)

    def _stored_vector(self, stored: bytes) -> Vector:
        vector = np.frombuffer(stored, "<f2").astype(np.float32)
        dimension = self._view.gallery.dimension
        if len(vector) != dimension:
            raise ValueError(f"it has {len(vector)} numbers, and the gallery's vectors have {dimension}")
        return unit_mean(vector[None])

    def _begin_with_clips(self, asked: Asked, clips: list[Clip] | BadCrops) -> None:
        if isinstance(clips, BadCrops):
            asked.refuse(503, "query_crops_unusable", f"{clips}: ask again")
            self._answerer.hand_in(asked)
            return
        bucket = len(clips[0].frames)
        try:
            promise = self._batcher.submit(clips, lane="query", bucket=bucket, deadline=asked.deadline)
        except BatcherClosed:
            return  # the device is gone: not answered, so another worker takes it over
        promise.add_done_callback(partial(self._encoded, asked))

    def _encoded(self, asked: Asked, promise: Promised[Vector]) -> None:
        """Called once the batcher is through with it."""
        error = promise.exception()
        if isinstance(error, DeviceFailed | BatcherClosed):
            return  # as above
        try:
            if error is not None:
                raise error
            done = promise.result()
            asked.vector = person_vector(np.stack(done.results), asked.task.groups)
            asked.timings_ms = {
                "queue": max(0.0, done.started_at - asked.asked_at) * 1000,
                "encode": (done.finished_at - done.started_at) * 1000,
            }
        except DeadlineExceeded:
            asked.refuse(503, "deadline_exceeded", "the query waited past its deadline: try again later")
        except Exception as failure:
            logger.error("a query could not be encoded", exc_info=failure)
            asked.refuse(500, "encoder_failed", "the encoder failed on this query; the worker's log says why")
        self._answerer.hand_in(asked)

    def _forget(self, lot: Sequence[Asked]) -> None:
        """These are answered: there is room for others."""
        self._in_flight.difference_update(asked.entry_id for asked in lot)
        self._freed.set()
        for asked in lot:
            self._metrics.count_query("ok" if asked.refusal is None else asked.refusal["code"])
            for stage, ms in asked.timings_ms.items():
                self._metrics.stages.observe(stage, ms / 1000)

    async def _drain(self, drain_s: float) -> None:
        with anyio.move_on_after(drain_s):
            while self._in_flight:
                self._freed.clear()
                await self._freed.wait()
        if self._in_flight:
            logger.warning("%d queries are left to other workers", len(self._in_flight))
