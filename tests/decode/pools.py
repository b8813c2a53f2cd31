"""Pools that have to be gone after a test, and requests that hang in them."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from service.decode.crops import Crops, DecodeLimits
from service.decode.pool import DecoderPool
from tests.decode.samples import LIMITS, SAMPLING


@asynccontextmanager
async def started(limits: DecodeLimits = LIMITS, *, children: int = 1) -> AsyncIterator[DecoderPool]:
    """A pool whose children are up; afterwards it is closed and nothing of it may be left."""
    pool = DecoderPool(limits, children=children)
    await pool.start()
    before = pool.pids
    try:
        await pool.ready()
        before = pool.pids
        yield pool
    finally:
        after = pool.pids
        await pool.close()
    assert not [pid for pid in {*before, *after} if psutil.pid_exists(pid)]
    assert pool.pids == []


async def hanging(pool: DecoderPool, picture: Path) -> "asyncio.Task[Crops]":
    """A request in the hands of a stopped child."""
    (pid,) = pool.pids
    os.kill(pid, signal.SIGSTOP)
    task = asyncio.create_task(pool.crops(picture, SAMPLING))
    while not pool.n_busy:
        await asyncio.sleep(0)
    return task
