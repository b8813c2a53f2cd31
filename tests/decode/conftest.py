"""Event loops and files for pools, and pools that outlive one test, each on a loop of its own in a thread."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvloop

from service.decode.crops import Box, Crops, CropSampling, DecodeLimits, Kind, Probe
from service.decode.pool import DecoderPool
from tests.decode.samples import LIMITS, SAMPLING, TIGHT, encoded, flat_frames, scene, write_video


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


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Callable[[Awaitable[None]], None]]:
    """Runs a coroutine on each of the event loops the processes may have."""
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield lambda coroutine: runner.run(coroutine)  # type: ignore[arg-type]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture"
    path.write_bytes(encoded(scene(), "JPEG"))
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "video.mp4", flat_frames(20))
