"""One query on its way: crops to the media store, the task to a worker, the reply joined with the tracks' records."""

import asyncio
import io
import time
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import structlog
from starlette.requests import Request

from index.records.queries import QueryTask
from index.space import Space
from service.api.board import Board
from service.api.calibration import usual_min_score
from service.api.clock import ServerClock
from service.api.forms import QueryForm
from service.api.presence import while_present
from service.api.records import Records
from service.api.shapes import show_hit
from service.api.visit import Visit, visit_of
from service.decode.crops import Crops
from service.errors import Problem
from service.media import MediaStore
from service.metrics import ApiMetrics

logger = structlog.get_logger(__name__)

# The worker refuses at the deadline; its refusal says more than ours, so it gets a moment to arrive.
_GRACE_S: Final = 0.25
# Above this a write to the media store is worth a thread.
_SMALL_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for: crops of one person, or the embedding (float16, D) of a track already there."""

    form: QueryForm
    crops: tuple[Crops, ...] = ()
    vector: bytes | None = None
    exclude_item: str | None = None
    decode_s: float = 0.0


class Searcher:
    """Asks the workers and puts the answer together."""

    def __init__(
        self,
        *,
        process: str,
        board: Board,
        clock: ServerClock,
        media: MediaStore,
        metrics: ApiMetrics,
        deadline_s: float,
    ) -> None:
        self._process = process
        self._board = board
        self._clock = clock
        self._media = media
        self._metrics = metrics
        self._deadline_s = deadline_s

    async def answer(self, request: Request, records: Records, question: Question) -> dict[str, Any]:
        """The body of the answer.

        Raises:
            Problem: a worker refused, or none answered by the deadline.
            ClientGone: the client left; its query is taken back.
        """
        visit = visit_of(request.scope)
        crops_key = await self._store_crops(visit.reserved, question.crops)
        try:
            payload = await self._ask(request, records, self._task(visit.reserved, crops_key, question, records.space))
        finally:
            if crops_key is not None:
                await self._call_media(self._media.delete, crops_key)
        return await self._body(visit, records, question, payload)

    def _task(self, query_id: str, crops_key: str | None, question: Question, space: Space) -> QueryTask:
        form = question.form
        return QueryTask(
            id=query_id,
            reply_to=self._process,
            crops=crops_key,
            lengths=[length for crops in question.crops for length in crops.lengths],
            groups=[len(crops.lengths) for crops in question.crops],
            vector=question.vector,
            k=form.k,
            filter=form.filter(exclude_item=question.exclude_item),
            min_score=usual_min_score(space) if form.min_score is None else form.min_score,
            min_version=form.min_version,
            deadline_ms=self._clock.now_ms() + int(self._deadline_s * 1000),
        )

    async def _ask(self, request: Request, records: Records, task: QueryTask) -> dict[str, Any]:
        """Submit the task and wait for its reply; a task nobody waits for any more is taken back."""
        with self._board.reply_to(task.id) as reply:
            entry_id = await records.queries.submit(task)
            try:
                payload = await while_present(request, reply, self._deadline_s + _GRACE_S)
            except TimeoutError as error:
                raise Problem(
                    503,
                    "query_deadline",
                    f"no worker answered within {self._deadline_s:g} s: they are busy or restarting, try again",
                    retry_after_s=1.0,
                ) from error
            finally:
                if not reply.done() or reply.cancelled():
                    await records.queries.forget(entry_id)
        if not payload["ok"]:
            retry_after_s = 1.0 if payload["status"] == 503 else None
            raise Problem(payload["status"], payload["code"], payload["detail"], retry_after_s=retry_after_s)
        return payload

    async def _body(
        self, visit: Visit, records: Records, question: Question, payload: dict[str, Any]
    ) -> dict[str, Any]:
        began = time.perf_counter()
        found = payload["hits"]
        tracks = await records.items.many_tracks([track_id for track_id, _ in found]) if found else []
        # A track erased between search and here has no record any more and is no hit.
        hits = [
            show_hit(track, score, records.space)
            for track, (_, score) in zip(tracks, found, strict=True)
            if track is not None
        ]
        ended = time.perf_counter()
        self._metrics.stages.observe("decode", question.decode_s)
        self._metrics.stages.observe("metadata", ended - began)
        self._audit(visit, question.form, len(hits))
        timings = {
            "decode": question.decode_s * 1000,
            **payload["timings_ms"],
            "metadata": (ended - began) * 1000,
            "total": (ended - visit.started) * 1000,
        }
        return {
            "query_id": visit.reserved,
            "space": records.space.id,
            "gallery_version": payload["gallery_version"],
            "partial": payload["partial"],
            "timings_ms": {stage: round(ms, 3) for stage, ms in timings.items()},
            "hits": hits,
        }

    @staticmethod
    def _audit(visit: Visit, form: QueryForm, n_hits: int) -> None:
        """Who searched, with what filters, and how much was found; never what the person looks like."""
        logger.info(
            "query",
            request_id=visit.request_id,
            query_id=visit.reserved,
            key=visit.caller_id,
            route=visit.route,
            filters=form.model_dump(exclude_defaults=True, mode="json"),
            k=form.k,
            hits=n_hits,
        )

    async def _store_crops(self, query_id: str, crops: tuple[Crops, ...]) -> str | None:
        """Put the clips of all files, one array, where the worker finds them. Query pictures never enter Redis."""
        if not crops:
            return None
        key = f"queries/{query_id}.npy"
        clips = crops[0].clips if len(crops) == 1 else np.concatenate([one.clips for one in crops])
        buffer = io.BytesIO()
        np.save(buffer, clips, allow_pickle=False)
        await self._call_media(self._media.write, key, buffer.getvalue())
        return key

    async def _call_media(self, call: Any, *arguments: Any) -> None:
        small = all(len(argument) <= _SMALL_BYTES for argument in arguments)
        if self._media.is_local and small:
            call(*arguments)  # a write to the page cache: shorter than handing it to a thread
        else:
            await asyncio.to_thread(call, *arguments)
