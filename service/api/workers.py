"""Which workers are alive, and whether one of them can answer."""

import time
from typing import Final

from index.records.processes import Processes, ProcessReport
from service.errors import Problem

REMEMBERED_S: Final = 1.0


class Workers:
    """The workers' own reports, remembered for a second: no query pays for reading them."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._reports: list[ProcessReport] = []
        self._read = -REMEMBERED_S

    async def all(self) -> list[ProcessReport]:
        """Reports of all live workers, of every space, read now."""
        self._reports = [report for report in await self._processes.all() if report.role == "worker"]
        self._read = time.monotonic()
        return self._reports

    async def of(self, space_id: str) -> list[ProcessReport]:
        """Reports of the live workers of a space, read now."""
        return [report for report in await self.all() if report.space_id == space_id]

    async def require_ready(self, space_id: str) -> None:
        """Make sure that a worker of the space can answer.

        Raises:
            Problem: 503, because none lives, or none is ready yet.
        """
        if _one_ready(self._reports, space_id):
            now = time.monotonic()
            if now - self._read < REMEMBERED_S:
                return
            self._read = now  # one request reads anew; those that come meanwhile make do with what is known
        alive = await self.of(space_id)
        if _one_ready(alive, space_id):
            return
        if not alive:
            raise Problem(
                503,
                "no_worker",
                f"no worker serves the space {space_id} now: start one, or wait until it is up again",
                retry_after_s=2.0,
            )
        raise Problem(
            503,
            "index_not_ready",
            f"{len(alive)} worker(s) live and none has an index that fits the records yet: wait until one is ready",
            retry_after_s=2.0,
        )


def _one_ready(reports: list[ProcessReport], space_id: str) -> bool:
    return any(report.ready and report.space_id == space_id for report in reports)
