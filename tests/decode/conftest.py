"""Decoder pools that outlive one test, each on an event loop of its own in a thread."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.decode.crops import Box, Crops, CropSampling, DecodeLimits, Kind, Probe
from service.decode.pool import DecoderPool
from tests.decode.samples import LIMITS, SAMPLING, TIGHT


class Decoder:
    """The pool's face without `await`."""

    def __init__(self, pool: DecoderPool, loop: asyncio.AbstractEventLoop) -> None:
        self._pool = pool
        self._loop = loop

    def probe(self, path: Path, *, expect: Kind | None = None) -> Probe:
        return asyncio.run_coroutine_threadsafe(self._pool.probe(path, expect=expect), self._loop).result()

    def crops(
        self,
        path: Path,
        sampling: CropSampling = SAMPLING,
        *,
        box: Box | None = None,
        thumbnail: bool = False,
        expect: Kind | None = None,
    ) -> Crops:
        asked = self._pool.crops(path, sampling, box=box, thumbnail=thumbnail, expect=expect)
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result()


@contextmanager
def running(limits: DecodeLimits) -> Iterator[Decoder]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    pool = DecoderPool(limits, children=1)
    asyncio.run_coroutine_threadsafe(pool.start(), loop).result()
    yield Decoder(pool, loop)
    asyncio.run_coroutine_threadsafe(pool.close(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture(scope="session")
def decoder() -> Iterator[Decoder]:
    with running(LIMITS) as decoder:
        yield decoder


@pytest.fixture(scope="session")
def tight() -> Iterator[Decoder]:
    """A decoder whose limits small files exceed."""
    with running(TIGHT) as decoder:
        yield decoder
