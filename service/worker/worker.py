"""One worker: its parts, the order in which they start, and how they stop."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import anyio

from service.decode.pool import DecoderPool
from service.worker.batcher import Batcher
from service.worker.encoding import Clip, Vector
from service.worker.heartbeats import Heartbeats
from service.worker.ingest import Ingest
from service.worker.queries import QueryReader

logger = logging.getLogger(__name__)


class Background(Protocol):
    """Something that runs until it is cancelled."""

    async def run(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Worker:
    """The parts of one worker, put together by `build`.

    A part that fails ends the whole worker: better restarted than half alive. Task groups are anyio's here, because
    they cancel until a task is gone; on Python 3.11 a single cancellation can get lost in `asyncio.wait_for`, which
    redis-py uses, and the worker would hang instead of ending.
    """

    batcher: Batcher[Clip, Vector]
    decoders: DecoderPool
    queries: QueryReader
    ingest: Ingest
    heartbeats: Heartbeats
    background: Sequence[Background]
    drain_s: float

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set, then finish what was begun, for `drain_s` at most.

        Raises:
            ExceptionGroup: one of the parts failed; `DeviceFailed` is among them when the device is gone.
        """
        await self.decoders.start()
        try:
            await self.batcher.start()
            await self.decoders.ready()
            try:
                await self._work(stopping)
            finally:
                await self._stop_batcher()
        finally:
            await self.decoders.close()
            await self.heartbeats.end()

    async def _work(self, stopping: asyncio.Event) -> None:
        async with anyio.create_task_group() as parts:
            for part in (*self.background, self.heartbeats):
                parts.start_soon(part.run)
            parts.start_soon(self.batcher.watch)
            async with anyio.create_task_group() as readers:
                readers.start_soon(self.queries.run, stopping, self.drain_s)
                readers.start_soon(self.ingest.run, stopping, self.drain_s)
            logger.info("drained")
            parts.cancel_scope.cancel()

    async def _stop_batcher(self) -> None:
        with anyio.move_on_after(self.drain_s, shield=True) as patience:
            await self.batcher.stop()
        if patience.cancelled_caught:
            # The thread dies with the process.
            logger.error("the encoder did not come back within %g s, it is left behind", self.drain_s)
