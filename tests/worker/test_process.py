"""A worker as a process of its own: how it ends, and what its exit code says."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from service.settings import Settings
from service.worker.build import DEVICE_FAILED, FAILED, MISCONFIGURED, OTHER_SPACE, STOPPED
from tests.worker.colour_encoder import ColourEncoder
from tests.worker.door import Door, eventually
from tests.worker.media_files import RED, clip

pytestmark = pytest.mark.slow
FINGERPRINT = ColourEncoder().card.fingerprint
Start = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def start(settings: Settings) -> AsyncIterator[Start]:
    started: list[asyncio.subprocess.Process] = []

    async def start(*arguments: str, **environment: str) -> asyncio.subprocess.Process:
        own = {
            "VILLS_DATA_DIR": str(settings.data_dir),
            "VILLS_REDIS_URL": str(settings.redis_url),
            "VILLS_DECODERS": "1",
            "VILLS_LEASE_S": "1.5",
            "VILLS_RENEW_S": "0.3",
            **environment,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.worker.colour_worker", *arguments),
            env={name: value for name, value in (os.environ | own).items() if value},
            cwd=Path(__file__).parents[2],
            stderr=asyncio.subprocess.PIPE,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def ready(door: Door, n_workers: int = 1) -> None:
    async def look() -> bool:
        return sum(report.ready for report in await door.processes.all()) == n_workers

    await eventually(look)


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str]:
    _, log = await process.communicate()
    assert process.returncode is not None
    return process.returncode, log.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it_cleanly(door: Door, start: Start, number: signal.Signals) -> None:
    process = await start(FINGERPRINT)
    await ready(door)
    process.send_signal(number)
    code, log = await ended(process)
    assert code == STOPPED, log
    assert "untrained" in log
    assert "licence Apache-2.0, trained on: none" in log
    assert await door.processes.all() == []


async def test_it_says_what_is_wrong_with_its_settings(door: Door, start: Start) -> None:
    code, log = await ended(await start(FINGERPRINT, VILLS_REDIS_URL=""))
    assert code == MISCONFIGURED
    assert "VILLS_REDIS_URL" in log


async def test_a_store_that_never_answers_is_an_error_with_a_message(door: Door, start: Start, tmp_path: Path) -> None:
    code, log = await ended(await start(FINGERPRINT, VILLS_REDIS_URL=f"unix://{tmp_path}/none.sock"))
    assert code == FAILED
    assert "is it running?" in log
    assert "Traceback" not in log


async def test_an_encoder_of_another_space_has_an_exit_code_of_its_own(door: Door, start: Start) -> None:
    await start(FINGERPRINT)
    await ready(door)
    code, log = await ended(await start("1" * 16))
    assert code == OTHER_SPACE
    assert "--new-space" in log and "Traceback" not in log


async def test_a_dead_device_has_an_exit_code_of_its_own(door: Door, start: Start) -> None:
    code, _ = await ended(await start(FINGERPRINT, "broken"))
    assert code == DEVICE_FAILED


async def test_one_that_was_killed_leaves_its_work_to_another(door: Door, start: Start, tmp_path: Path) -> None:
    first = await start(FINGERPRINT)
    await ready(door)
    source = clip(tmp_path / "red.mp4", RED)
    items = [await door.upload(source) for _ in range(20)]
    await door.job_in(items[0], "running", "done")
    first.kill()
    await first.communicate()
    await start(FINGERPRINT)
    await door.done(*items)
    assert (await door.items.statistics()).count == len(items)
    assert sorted(await door.items_found(RED, k=50, min_version=len(items))) == sorted(items)
