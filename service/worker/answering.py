"""From encoded queries to answers: one search and one pipeline for all that are ready."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
import numpy as np

from index.records.queries import Answer, Queries, QueryTask
from index.vectors.gallery import Gallery
from service.worker.encoding import Vector
from service.worker.outage import outlast
from service.worker.view import GalleryView

logger = logging.getLogger(__name__)
# An answer at the very deadline finds nobody waiting.
ANSWER_MARGIN_S = 0.1
# Products of a search (queries x tracks x D) that take about a millisecond: no longer than a thread costs a lone query.
SHORT_SEARCH = 8_000_000


@dataclass(slots=True, eq=False)
class Asked:
    """One query in the hands of this worker."""

    entry_id: str
    task: QueryTask
    asked_at: float  # time.monotonic() when it entered the stream
    deadline: float  # time.monotonic()
    vector: Vector | None = None
    timings_ms: dict[str, float] = field(default_factory=dict)
    refusal: dict[str, Any] | None = None

    def refuse(self, status: int, code: str, detail: str) -> None:
        self.refusal = {"ok": False, "status": status, "code": code, "detail": detail}


class Answerer:
    """Collects queries that have their vector, or their refusal, and answers them many at a time.

    While one lot is searched and written the next gathers, so the lots are as large as the load asks for.
    """

    def __init__(
        self,
        queries: Queries,
        view: GalleryView,
        *,
        answered: Callable[[Sequence[Asked]], None],
    ) -> None:
        self._queries = queries
        self._view = view
        self._answered = answered
        self._ready: list[Asked] = []
        self._wake = asyncio.Event()

    def hand_in(self, asked: Asked) -> None:
        """Answer this one with the next lot."""
        self._ready.append(asked)
        self._wake.set()

    async def run(self) -> None:
        """Answer until cancelled."""
        async with anyio.create_task_group() as waiting_for_versions:
            while True:
                await self._wake.wait()
                self._wake.clear()
                lot, self._ready = self._ready, []
                early = [asked for asked in lot if self._too_early(asked)]
                for asked in early:
                    waiting_for_versions.start_soon(self._wait_for_version, asked)
                await self._answer([asked for asked in lot if asked not in early] if early else lot)

    def _too_early(self, asked: Asked) -> bool:
        wanted = asked.task.min_version
        return asked.refusal is None and wanted is not None and wanted > self._view.version

    async def _wait_for_version(self, asked: Asked) -> None:
        wanted = asked.task.min_version or 0
        left = asked.deadline - time.monotonic() - ANSWER_MARGIN_S
        with anyio.move_on_after(max(0.0, left)) as patience:
            await self._view.reached(wanted)
        if patience.cancelled_caught:
            have = self._view.version
            asked.refuse(
                503,
                "version_not_reached",
                f"min_version {wanted} was asked for and this worker has applied {have}: try again",
            )
        self.hand_in(asked)

    async def _answer(self, lot: Sequence[Asked]) -> None:
        if not lot:
            return
        if not self._view.ready:
            for asked in lot:
                asked.refuse(503, "index_not_ready", "the index does not fit the records and is rebuilt: try again")
        wanted = [asked for asked in lot if asked.refusal is None]
        gallery = self._view.gallery
        short = len(wanted) * gallery.count * gallery.dimension <= SHORT_SEARCH
        found = self._search(wanted) if short else await asyncio.to_thread(self._search, wanted)
        answers = [
            Answer(asked.entry_id, asked.task.reply_to, asked.task.id, asked.refusal or found[asked]) for asked in lot
        ]
        await outlast(lambda: self._queries.answer(answers))
        self._answered(lot)

    def _search(self, lot: Sequence[Asked]) -> dict[Asked, dict[str, Any]]:
        """Search for all at once; if that fails, one by one, so that only the guilty one is refused. May take long."""
        gallery = self._view.gallery
        try:
            return search(gallery, lot) if lot else {}
        except Exception as error:
            if len(lot) > 1:
                logger.warning("a search for %d queries failed, trying them one by one: %r", len(lot), error)
                return {asked: answer for each in lot for asked, answer in self._search([each]).items()}
            logger.exception("a search failed")
            lot[0].refuse(500, "search_failed", "the search failed on this query; the worker's log says why")
            return {}


def search(gallery: Gallery, lot: Sequence[Asked]) -> dict[Asked, dict[str, Any]]:
    """The answers to queries that have their vectors, by one search. May take long."""
    started = time.monotonic()
    version = gallery.version  # before the search: what it returns is at least as new
    vectors = np.stack([asked.vector for asked in lot if asked.vector is not None])
    hits = gallery.search(
        vectors,
        max(asked.task.k for asked in lot),
        [asked.task.filter for asked in lot],
        [asked.task.min_score for asked in lot],
    )
    search_ms = (time.monotonic() - started) * 1000
    return {
        asked: {
            "ok": True,
            "gallery_version": version,
            "partial": False,
            "hits": [[hit.track_id, hit.score] for hit in found[: asked.task.k]],
            "timings_ms": {**asked.timings_ms, "search": search_ms},
        }
        for asked, found in zip(lot, hits, strict=True)
    }
