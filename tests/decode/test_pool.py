"""The pool: children that die, hang, lie or run out of memory cost one request, never the parent."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import uvloop
from PIL import Image

from service.decode import process
from service.decode.crops import Crops, DecodeLimits
from service.decode.errors import DecoderFailed, DecoderUnavailable, DecodeTooSlow, MediaError
from service.decode.pool import DecoderPool
from service.decode.wire import PREFIX
from tests.decode.samples import LIMITS, SAMPLING, encoded, flat_frames, scene, write_video

ROOT = Path(__file__).parents[2]


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


def test_a_killed_child_costs_one_request(run: Callable[..., None], picture: Path) -> None:
    async def scenario() -> None:
        async with started() as pool:
            (pid,) = pool.pids
            task = await hanging(pool, picture)
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(DecoderFailed, match="SIGKILL") as failed:
                await task
            assert failed.value.status == 422
            assert (await pool.crops(picture, SAMPLING)).n_frames == 1
            assert pool.pids != [pid]

    run(scenario())


def test_a_child_killed_while_idle_costs_nothing(run: Callable[..., None], picture: Path) -> None:
    async def scenario() -> None:
        async with started() as pool:
            (pid,) = pool.pids
            os.kill(pid, signal.SIGKILL)
            while pool.pids:
                await asyncio.sleep(0.001)
            assert (await pool.crops(picture, SAMPLING)).n_frames == 1

    run(scenario())


def test_a_hanging_child_is_replaced_after_the_time_limit(run: Callable[..., None], picture: Path) -> None:
    async def scenario() -> None:
        async with started(replace(LIMITS, timeout_s=1.0)) as pool:
            (pid,) = pool.pids
            task = await hanging(pool, picture)
            with pytest.raises(DecodeTooSlow, match="within 1 seconds") as refused:
                await task
            assert refused.value.status == 422
            assert (await pool.crops(picture, SAMPLING)).n_frames == 1
            while psutil.pid_exists(pid):
                await asyncio.sleep(0.001)

    run(scenario())


def test_a_caller_that_leaves_takes_its_decode_along(run: Callable[..., None], picture: Path) -> None:
    async def scenario() -> None:
        async with started() as pool:
            (pid,) = pool.pids
            task = await hanging(pool, picture)
            waiting = [asyncio.create_task(pool.crops(picture, SAMPLING)) for _ in range(2)]
            await asyncio.sleep(0)
            waiting[0].cancel()
            task.cancel()
            results = await asyncio.gather(task, *waiting, return_exceptions=True)
            assert isinstance(results[0], asyncio.CancelledError) and isinstance(results[1], asyncio.CancelledError)
            assert isinstance(results[2], Crops)
            assert pool.pids != [pid]

    run(scenario())


def test_callers_are_served_in_order(run: Callable[..., None], picture: Path, video: Path) -> None:
    async def scenario() -> None:
        served: list[int] = []

        async def ask(pool: DecoderPool, number: int) -> None:
            await pool.crops(video if number % 2 else picture, SAMPLING)
            served.append(number)

        async with started() as pool:
            await asyncio.gather(*(ask(pool, number) for number in range(12)))
        assert served == list(range(12))

    run(scenario())


def test_many_at_once_each_get_their_own(run: Callable[..., None], tmp_path: Path, video: Path) -> None:
    paths = []
    for level in range(30):
        path = tmp_path / str(level)
        path.write_bytes(encoded(scene().point(lambda value, level=level: level * 8), "PNG"))
        paths.append(path)

    async def scenario() -> None:
        async with started(children=2) as pool:
            asked: list[Awaitable[Any]] = [pool.crops(path, SAMPLING) for path in paths]
            asked += [pool.crops(video, SAMPLING) for _ in range(5)] + [pool.probe(video) for _ in range(5)]
            answers = await asyncio.gather(*asked)
        for level, crops in enumerate(answers[:30]):
            assert (crops.clips == level * 8).all()
        assert {crops.n_frames for crops in answers[30:35]} == {20}
        assert {probe.kind for probe in answers[35:]} == {"video"}

    run(scenario())


def test_large_answers_arrive_whole(run: Callable[..., None], tmp_path: Path) -> None:
    large = replace(SAMPLING, height=256, width=128)
    path = write_video(tmp_path / "video.mp4", flat_frames(64))

    async def scenario() -> None:
        async with started() as pool:
            crops = await pool.crops(path, large, thumbnail=True)
            assert crops.clips.shape == (8, 8, 256, 128, 3) and crops.clips.nbytes > 6_000_000
            assert crops.thumbnail is not None and crops.thumbnail.endswith(b"\xff\xd9")

    run(scenario())


def test_closing_answers_everybody(run: Callable[..., None], picture: Path) -> None:
    async def scenario() -> None:
        async with started() as pool:
            at_work = await hanging(pool, picture)
            waiting = [asyncio.create_task(pool.probe(picture)) for _ in range(3)]
            await asyncio.sleep(0)
            await pool.close()
            for error in await asyncio.gather(at_work, *waiting, return_exceptions=True):
                assert isinstance(error, DecoderUnavailable) and error.status == 503
            with pytest.raises(DecoderUnavailable):
                await pool.probe(picture)

    run(scenario())


def test_a_pool_may_be_closed_while_it_starts(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        before = psutil.Process().children()  # other tests' pools
        pool = DecoderPool(LIMITS, children=2)
        await pool.start()
        await asyncio.sleep(0)
        await pool.close()
        assert psutil.Process().children() == before

    run(scenario())


async def test_too_much_memory_is_an_error_of_the_file(tmp_path: Path, picture: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(encoded(Image.new("P", (8000, 8000)), "PNG", transparency=0))
    tight = replace(LIMITS, memory_bytes=400 * 2**20, max_image_pixels=10**8)
    async with started(tight) as pool:
        with pytest.raises(DecoderFailed, match=f"{400 * 2**20} bytes of memory"):
            await pool.crops(path, SAMPLING)
        assert (await pool.crops(picture, SAMPLING)).n_frames == 1


async def test_children_that_do_not_start_are_not_the_files_fault(
    monkeypatch: pytest.MonkeyPatch, picture: Path
) -> None:
    pool = DecoderPool(LIMITS, children=1)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", "/bin/false")
        await pool.start()
        with pytest.raises(DecoderUnavailable, match="did not start"):
            await pool.ready()
        with pytest.raises(DecoderUnavailable, match="did not start") as refused:
            await pool.probe(picture)
        patched.setattr(sys, "executable", "/nonexistent")
        with pytest.raises(DecoderUnavailable, match="did not start"):
            await pool.probe(picture)
    assert refused.value.status == 503
    assert (await pool.probe(picture)).kind == "image"
    await pool.close()


CROPPED = (
    '{"kind":"image","media_type":"image/png","extension":".png","width":9,"height":9,"lengths":[1],'
    '"n_frames":1,"start_s":0.0,"end_s":0.0,"thumbnail_bytes":0,"box":[0,0,9,9]}'
)
N_BYTES = 64 * 32 * 3
LIES = {
    "a body longer than asked": (CROPPED, 10**9),
    "a body shorter than stated": (CROPPED, N_BYTES - 1),
    "a header without end": ("x" * 70_000, 0),
    "no JSON": ("{", N_BYTES),
    "no answer": ("[]", N_BYTES),
    "an unknown refusal": ('{"code":"format_disk","detail":""}', 0),
    "a clip too many": (CROPPED.replace("[1]", "[1,1]"), 2 * N_BYTES),
    "no clip": (CROPPED.replace("[1]", "[]"), 0),
    "an impossible length": (CROPPED.replace("[1]", "[8]"), N_BYTES),
    "a box outside": (CROPPED.replace("[0,0,9,9]", "[1,0,9,9]"), N_BYTES),
    "a strange type": (CROPPED.replace("image/png", "text/html"), N_BYTES),
    "a thumbnail not there": (CROPPED.replace('"thumbnail_bytes":0', '"thumbnail_bytes":5'), N_BYTES),
    "time without number": (CROPPED.replace('"end_s":0.0', '"end_s":null'), N_BYTES),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_child_is_not_believed(monkeypatch: pytest.MonkeyPatch, picture: Path, lie: str) -> None:
    header, body_bytes = LIES[lie]
    liar = f"""
        import struct, sys
        header, body = {header!r}.encode(), {body_bytes}
        out = sys.stdout.buffer
        out.write({PREFIX.pack(14, 0) + b'{"ready":true}'!r}); out.flush()
        sys.stdin.buffer.read(1)
        out.write(struct.pack({PREFIX.format!r}, len(header), body) + header)
        out.write(bytes(min(body, 100_000))); out.flush()
        sys.stdin.buffer.read()
    """
    monkeypatch.setattr(process, "_command", lambda limits: [sys.executable, "-c", textwrap.dedent(liar)])
    async with started() as pool:
        with pytest.raises(DecoderFailed):
            await pool.crops(picture, SAMPLING)


async def test_children_are_locked_in(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VILLS_REDIS_URL", "redis://:secret@localhost")
    async with started() as pool:
        (pid,) = pool.pids
        assert resource.prlimit(pid, resource.RLIMIT_AS)[1] == LIMITS.memory_bytes
        # A limit of 0 processes once kept every user but root from decoding video: it counts FFmpeg's threads.
        assert resource.prlimit(pid, resource.RLIMIT_NPROC) == resource.getrlimit(resource.RLIMIT_NPROC)
        for what in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
            assert resource.prlimit(pid, what) == (0, 0)
        assert resource.prlimit(pid, resource.RLIMIT_NOFILE)[1] <= 16
        assert b"secret" not in Path(f"/proc/{pid}/environ").read_bytes()
        assert "torch" not in Path(f"/proc/{pid}/maps").read_text()
        os.kill(pid, signal.SIGTERM)  # a signal to the whole group: the parent decides when to stop
        os.kill(pid, signal.SIGINT)
        assert (await pool.probe(picture)).kind == "image"
        assert pool.pids == [pid]


@pytest.mark.parametrize("state", ["idle", "stopped in mid-request"])
def test_children_end_with_a_killed_parent(state: str, picture: Path) -> None:
    program = f"""
        import asyncio, os, signal, sys
        from pathlib import Path
        from service.decode.pool import DecoderPool
        from tests.decode.samples import LIMITS, SAMPLING

        async def main():
            pool = DecoderPool(LIMITS, children=2)
            await pool.start()
            await pool.ready()
            if {state != "idle"}:
                for pid in pool.pids:
                    os.kill(pid, signal.SIGSTOP)
                tasks = [asyncio.create_task(pool.crops(Path({str(picture)!r}), SAMPLING)) for _ in range(2)]
                while pool.n_busy < 2:
                    await asyncio.sleep(0)
            print(*pool.pids, flush=True)
            await asyncio.Event().wait()

        asyncio.run(main())
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, cwd=ROOT)
    with parent:
        assert parent.stdout is not None
        children = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert len(children) == 2
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not [child for child in alive if child.status() != psutil.STATUS_ZOMBIE]


def test_the_parent_imports_neither_model_nor_decoders() -> None:
    program = "import sys, service.decode.pool; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    loaded = set(modules.stdout.split())
    assert not loaded & {"torch", "av", "PIL", "model", "faiss", "onnxruntime"}


def test_every_error_has_a_code_and_a_status_of_its_own() -> None:
    errors = MediaError.__subclasses__()
    assert len({error.code for error in errors}) == len(errors)
    assert {error.status for error in errors} == {413, 415, 422, 503}
    assert all(error.__doc__ for error in errors)
