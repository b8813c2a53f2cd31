"""`?wait=`: an answer held back until a job has ended and, for an upload, can be found."""

import time
from typing import Annotated, Final

from fastapi import Query
from starlette.requests import Request

from index.records.job import Job
from service.api.board import Board
from service.api.numbers import NUMBER
from service.api.presence import while_present
from service.api.records import Records
from service.api.workers import Workers
from service.errors import Problem

LONGEST_S: Final = 60.0
# Events wake a waiter at once; this only bounds what a lost event (a store that was away) can cost.
_LOOK_AGAIN_S: Final = 5.0
ENDED: Final = frozenset({"done", "dead", "cancelled"})

Wait = Annotated[
    float, Query(ge=0, le=LONGEST_S, description="seconds to hold the answer back for the job to end"), NUMBER
]


class Waiter:
    """Holds answers back until jobs end."""

    def __init__(self, board: Board, workers: Workers) -> None:
        self._board = board
        self._workers = workers

    async def job(self, request: Request, records: Records, job_id: str, seconds: float) -> Job:
        """The job as it stands when it has ended (an upload: and is searchable), or when the wait is over.

        Raises:
            NotFound: no such job.
            ClientGone: the client left.
        """
        until = time.monotonic() + seconds
        with self._board.watch(job_id) as changed:
            while True:
                job = await records.jobs.get(job_id)
                left = until - time.monotonic()
                if left <= 0 or self._board.closing or await self.is_visible(records, job):
                    return job
                try:
                    await while_present(request, changed.wait(), min(left, _LOOK_AGAIN_S))
                except TimeoutError:
                    continue
                changed.clear()

    async def is_visible(self, records: Records, job: Job) -> bool:
        """Whether the job has ended and, if it put something into the gallery, some worker finds it."""
        if job.state not in ENDED:
            return False
        version = job.gallery_version
        if job.kind != "ingest" or job.state != "done" or version is None:
            return True
        # Announcements are newer than reports, and are only believed of workers that live and serve this space.
        announced = self._board.applied
        reports = await self._workers.of(records.space.id)
        return any(max(report.applied_seq, announced.get(report.name, 0)) >= version for report in reports)


def job_problem(job: Job) -> Problem:
    """The problem a dead job ended with, as if it had been found at the door."""
    error = dict(job.error or {})
    status, code, detail = (
        error.pop("status", 500),
        error.pop("code", "job_dead"),
        error.pop("detail", "the job is dead"),
    )
    extra = {name: value for name, value in error.items() if name not in {"type", "title"}}
    return Problem(status, code, detail, **{**extra, "job_id": job.id})
