"""A real store for the records, emptied for every test."""

import time
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from index.records.connection import connect
from index.records.ids import new_id
from index.records.intake import Intake
from index.records.items import Item, Items
from index.records.spaces import Spaces
from index.records.work import Lease, NewTrack, Work
from index.space import Space
from service.local.valkey import EmbeddedStore

SPACE = Space(
    id="test-0123456789abcdef",
    encoder="test",
    dimension=4,
    frames=8,
    max_clips=8,
    height=256,
    width=128,
    fingerprint="0123456789abcdef",
    trained=True,
    licence="Apache-2.0",
    training_data="none",
)


@pytest.fixture(scope="session")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with EmbeddedStore(tmp_path_factory.mktemp("store"), restart=False) as store:
        yield store.url


@pytest.fixture
async def redis(store_url: str) -> AsyncIterator[Redis]:
    connection = await connect(store_url)
    await connection.config_set("rdbcompression", "no")  # so that DUMP shows what a key holds, letter by letter
    await connection.flushall()
    await Spaces(connection).register(SPACE, activate_new=False)
    yield connection
    await connection.aclose()


@pytest.fixture
def items(redis: Redis) -> Items:
    return Items(redis, SPACE.id)


@pytest.fixture
def intake(redis: Redis) -> Intake:
    return Intake(redis, SPACE.id)


@pytest.fixture
def work(redis: Redis) -> Work:
    return worker(redis, "one")


def worker(redis: Redis, name: str, *, lease_s: float = 0.0, max_attempts: int = 3) -> Work:
    """A worker's view of the work. A lease of 0 s may be taken over at once: no test waits for time to pass."""
    return Work(redis, SPACE.id, name, lease_s=lease_s, max_attempts=max_attempts)


def an_item(**changes: object) -> Item:
    values: dict[str, object] = {
        "id": new_id(),
        "kind": "video",
        "content": "tracklet",
        "status": "queued",
        "camera_id": "gate",
        "captured_at_ms": 1_000_000,
        "tags": {"site": "north"},
        "filename": "walk.mp4",
        "media_type": "video/mp4",
        "size_bytes": 10,
        "sha256": "00",
        "created_ms": int(time.time() * 1000),
        "n_tracks": 0,
        "gallery_version": None,
    }
    return Item(**(values | changes))  # type: ignore[arg-type]


def a_track(ordinal: int = 0, vector: bytes = b"\x00<\x00\x00\x00\x00\x00\x00") -> NewTrack:
    return NewTrack(
        ordinal=ordinal,
        start_ms=1_000_000,
        end_ms=1_001_000,
        offset_start_s=0.0,
        offset_end_s=1.0,
        n_frames=25,
        box=(0, 0, 64, 128),
        vector=vector,
    )


async def begun(intake: Intake, work: Work, item: Item | None = None) -> Lease:
    """An accepted upload that a worker has begun."""
    await intake.accept(item or an_item(), idempotency=None)
    [entry] = await work.take(1, 1000)
    lease = await work.begin(entry)
    assert lease is not None
    return lease


async def ingested(intake: Intake, work: Work, item: Item | None = None, tracks: int = 1) -> Item:
    """An upload that is searchable."""
    lease = await begun(intake, work, item)
    assert await work.finish(lease, [a_track(ordinal) for ordinal in range(tracks)]) is not None
    return lease.item


async def all_keys(redis: Redis) -> set[str]:
    return {key.decode() async for key in redis.scan_iter("*")}
