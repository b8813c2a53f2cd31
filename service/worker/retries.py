"""Jobs whose retry is due go back into the stream."""

import asyncio

import anyio

from index.records.work import Work
from service.worker.outage import outlast

LOOK_S = 5.0  # retries planned by a worker that died are nobody's event


class Retries:
    """Wakes retries at their time."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._planned = asyncio.Event()

    def planned(self) -> None:
        """A retry was just planned, perhaps due before those known."""
        self._planned.set()

    async def run(self) -> None:
        """Wake retries until cancelled."""
        while True:
            self._planned.clear()
            due_s = await outlast(self._work.wake_retries)
            wait_s = LOOK_S if due_s is None else min(LOOK_S, max(0.0, due_s))
            with anyio.move_on_after(wait_s):
                await self._planned.wait()
