"""What a worker does when it starts again, and when the store, the log or a snapshot is not what it was."""

import asyncio
from pathlib import Path

import pytest

from index.errors import SpaceMismatch
from index.records.log import Log
from index.vectors.gallery import Gallery
from service.local.valkey import EmbeddedStore
from service.settings import Settings
from tests.worker.colour_encoder import DIMENSION, ColourEncoder
from tests.worker.conftest import StartWorker, is_ready
from tests.worker.door import Door, eventually
from tests.worker.media_files import GREEN, RED, picture


@pytest.fixture
def often(settings: Settings) -> Settings:
    """A worker that takes a snapshot every two log entries."""
    return settings.model_copy(update={"snapshot_entries": 2})


def snapshots_of(settings: Settings, door: Door) -> list[Path]:
    folder = settings.data_dir / "snapshots" / door.space_id
    return sorted((each for each in folder.glob("*") if each.name.isdigit()), key=lambda each: int(each.name))


async def filled(door: Door, tmp_path: Path, n_items: int) -> list[str]:
    """Uploads one after the other, the first one red."""
    ids: list[str] = []
    for number in range(n_items):
        colour = RED if number == 0 else GREEN
        ids.append(await door.upload(picture(tmp_path / f"{number}.jpg", colour), "image"))
        await door.done(ids[-1])
        await door.ask(RED, min_version=number + 1)
    return ids


async def snapshot_at(settings: Settings, door: Door, version: int) -> None:
    async def look() -> bool:
        return version in [int(each.name) for each in snapshots_of(settings, door)]

    await eventually(look)


async def test_a_snapshot_is_loaded_and_the_log_replayed_from_there(
    door: Door, start_worker: StartWorker, often: Settings, tmp_path: Path
) -> None:
    worker = await start_worker(own=often)
    ids = await filled(door, tmp_path, 5)
    await snapshot_at(often, door, 4)
    await worker.stop()
    await Log(door.redis, door.space_id).trim(3)  # what is in a snapshot is not asked for again
    await start_worker(own=often)
    assert await door.items_found(RED, k=1) == ids[:1]
    assert (await door.ask(RED))["gallery_version"] == 5
    assert len(snapshots_of(often, door)) <= 2


async def test_a_log_cut_too_far_means_rebuilding_from_the_records(
    door: Door, start_worker: StartWorker, tmp_path: Path
) -> None:
    worker = await start_worker()
    ids = await filled(door, tmp_path, 3)
    await worker.stop()
    await Log(door.redis, door.space_id).trim(4)
    await start_worker()
    assert await door.items_found(RED, k=1) == ids[:1]
    assert (await door.ask(RED))["gallery_version"] == 3


async def test_a_rebuild_replaces_every_older_snapshot(
    door: Door, start_worker: StartWorker, often: Settings, tmp_path: Path
) -> None:
    # A worker that was away while an item was erased, and came back when the proof was complete and the log cut, kept
    # its old snapshot with the item's vector: nobody had a reason to ask for a newer one.
    worker = await start_worker(own=often)
    [red, *_] = await filled(door, tmp_path, 3)
    await snapshot_at(often, door, 2)
    await worker.stop()
    job = await door.erasure.erase_item(red, "image")
    for place in job.proof or {}:
        await door.erasure.mark(job.id, place)
    await Log(door.redis, door.space_id).trim(4)
    await start_worker(own=often)

    async def only_the_new_one() -> bool:
        return [int(each.name) for each in snapshots_of(often, door)] == [4]

    await eventually(only_the_new_one)


async def test_a_damaged_snapshot_is_passed_over(
    door: Door, start_worker: StartWorker, often: Settings, tmp_path: Path
) -> None:
    worker = await start_worker(own=often)
    ids = await filled(door, tmp_path, 4)
    await snapshot_at(often, door, 4)
    await worker.stop()
    for snapshot in snapshots_of(often, door):
        for file in snapshot.iterdir():
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    await start_worker(own=often)
    assert await door.items_found(RED, k=1) == ids[:1]


async def test_an_index_that_disagrees_with_the_records_is_rebuilt(
    door: Door, start_worker: StartWorker, settings: Settings, tmp_path: Path
) -> None:
    worker = await start_worker()
    ids = await filled(door, tmp_path, 2)
    await worker.stop()
    # A snapshot of another gallery under this one's name and position.
    other = Gallery(DIMENSION)
    other.load_records([], 2)
    other.snapshot(settings.data_dir / "snapshots", door.space_id)
    await start_worker()
    assert await door.items_found(RED, k=1) == ids[:1]


async def test_the_store_may_go_away_and_come_back(
    door: Door, start_worker: StartWorker, store: EmbeddedStore, settings: Settings, tmp_path: Path
) -> None:
    worker = await start_worker()
    red = await door.upload(picture(tmp_path / "red.jpg", RED), "image")
    await door.done(red)
    await door.close()
    await asyncio.to_thread(store.stop)
    assert not worker.task.done()
    with EmbeddedStore(settings.data_dir, restart=False):
        await door.open()
        green = await door.upload(picture(tmp_path / "green.jpg", GREEN), "image")
        version = (await door.done(green))[0].gallery_version
        assert await door.items_found(RED, min_version=version) == [red, green]
        await eventually(lambda: is_ready(door, worker))
        await worker.stop()


async def test_a_store_that_comes_back_empty_is_followed(door: Door, start_worker: StartWorker, tmp_path: Path) -> None:
    worker = await start_worker()
    red = await door.upload(picture(tmp_path / "red.jpg", RED), "image")
    await door.done(red)
    await door.ask(RED, min_version=1)
    await door.close()
    await worker.stop()
    await door.redis.flushall()
    await door.open()
    await start_worker()
    assert await door.items_found(RED) == []


async def test_another_encoder_is_refused_unless_a_new_space_is_wanted(
    door: Door, start_worker: StartWorker, settings: Settings, tmp_path: Path
) -> None:
    worker = await start_worker()
    other = ColourEncoder(fingerprint="1111111111111111")
    with pytest.raises(SpaceMismatch, match="1111111111111111"):
        await start_worker(other)
    await worker.stop()
    await start_worker(other, own=settings.model_copy(update={"new_space": True}))


async def test_a_part_that_fails_ends_the_worker(door: Door, start_worker: StartWorker) -> None:
    worker = await start_worker()
    await door.redis.set(f"vills:{{{door.space_id}}}:log", "no stream any more")
    with pytest.raises(ExceptionGroup):
        async with asyncio.timeout(15):
            await worker.task
    assert worker.task.done()
