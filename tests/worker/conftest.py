"""A real store, real decoders, a real gallery; only the encoder is one that can be predicted."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis.asyncio import Redis

from index.records.connection import connect
from service.local.valkey import EmbeddedStore
from service.media import MediaStore
from service.settings import Settings
from service.worker.build import build_worker, space_of
from service.worker.worker import Worker
from tests.worker.colour_encoder import ColourEncoder
from tests.worker.door import Door, eventually


@dataclass(slots=True)
class RunningWorker:
    """A worker in this process, and how to end it."""

    name: str
    worker: Worker
    encoder: ColourEncoder
    redis: Redis
    stopping: asyncio.Event
    task: "asyncio.Task[None]"

    async def stop(self) -> None:
        """As SIGTERM does."""
        self.stopping.set()
        await self.task


StartWorker = Callable[..., Awaitable[RunningWorker]]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(tmp_path / "data", restart=False) as running:
        yield running


@pytest.fixture
def settings(tmp_path: Path, store: EmbeddedStore) -> Settings:
    return Settings(
        data_dir=tmp_path / "data",
        redis_url=store.url,
        decoders=1,
        lease_s=1.5,
        renew_s=0.3,
        retry_delay_s=0.1,
        drain_s=5.0,
    )


@pytest.fixture
async def door(settings: Settings) -> AsyncIterator[Door]:
    assert settings.redis_url is not None
    redis = await connect(settings.redis_url)
    door = Door(redis, space_of(ColourEncoder().card).id, MediaStore(settings.media_root))
    await door.open()
    yield door
    await door.close()
    await redis.aclose()


@pytest.fixture
async def start_worker(settings: Settings, door: Door) -> AsyncIterator[StartWorker]:
    """Starts workers, waits until each is ready, and stops those that are left at the end."""
    running: list[RunningWorker] = []

    async def start(
        encoder: ColourEncoder | None = None, *, wait: bool = True, own: Settings | None = None
    ) -> RunningWorker:
        encoder = encoder or ColourEncoder()
        name = f"worker-test-{len(running)}"
        redis = await connect(str(settings.redis_url))
        try:
            worker = await build_worker(own or settings, redis, encoder, name)
        except BaseException:
            await redis.aclose()
            raise
        stopping = asyncio.Event()
        task = asyncio.create_task(worker.run(stopping))
        started = RunningWorker(name, worker, encoder, redis, stopping, task)
        running.append(started)
        if wait:
            await eventually(lambda: is_ready(door, started))
        return started

    yield start
    for each in running:
        each.encoder.gate.set()
        each.stopping.set()
        await asyncio.gather(each.task, return_exceptions=True)
        await each.redis.aclose()


async def is_ready(door: Door, started: RunningWorker) -> bool:
    if started.task.done():
        started.task.result()
    return any(report.name == started.name and report.ready for report in await door.processes.all())
