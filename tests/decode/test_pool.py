"""The pool: children that die or hang cost one request, never the parent."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from service.decode.crops import Crops
from service.decode.errors import DecoderFailed, DecoderUnavailable, DecodeTooSlow, MediaError
from service.decode.pool import DecoderPool
from tests.decode.pools import hanging, started
from tests.decode.samples import LIMITS, SAMPLING, encoded, flat_frames, scene, write_video

ROOT = Path(__file__).parents[2]


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
