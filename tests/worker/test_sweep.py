"""Media that nothing in the records owns are removed, and no others."""

import os
import time
from pathlib import Path

from index.records.ids import new_id
from index.records.orphans import Orphans
from service.settings import Settings
from service.worker.sweep import Sweep
from tests.worker.conftest import StartWorker
from tests.worker.door import Door, eventually
from tests.worker.media_files import GREEN, RED, picture


def sweep_of(door: Door, *, upload_life_s: float = 3600.0) -> Sweep:
    return Sweep(
        door.media,
        door.items,
        Orphans(door.redis, door.space_id),
        space_id=door.space_id,
        query_prefix="queries",
        query_life_s=60.0,
        upload_life_s=upload_life_s,
    )


def put(door: Door, settings: Settings, item_id: str, *, hours_old: float = 2.0) -> str:
    """Media of an item as its killed process left them; their key."""
    key = f"{door.space_id}/{item_id}/original"
    door.media.write(key, b"media")
    then = time.time() - hours_old * 3600
    os.utime(Path(settings.media_root) / key, (then, then))
    return key


async def test_media_of_uploads_that_were_never_accepted_are_removed(
    door: Door, start_worker: StartWorker, settings: Settings, tmp_path: Path
) -> None:
    # An api killed between storing a file and having it accepted left the file for ever.
    worker = await start_worker()
    ready = await door.upload(picture(tmp_path / "red.jpg", RED), "image")
    await door.done(ready)
    await worker.stop()
    queued = await door.upload(picture(tmp_path / "green.jpg", GREEN), "image")
    arriving, expired = new_id(), new_id()
    assert await door.intake.reserve(arriving, limit=1000, ttl_s=3600)
    assert await door.intake.reserve(expired, limit=1000, ttl_s=0)
    kept = [put(door, settings, item_id) for item_id in (ready, queued, arriving)]
    kept += [put(door, settings, new_id(), hours_old=0.5), put(door, settings, "not-an-item")]
    gone = [put(door, settings, item_id) for item_id in (new_id(), expired)]

    await sweep_of(door).sweep()
    assert [key for key in kept if not door.media.exists(key)] == []
    assert [key for key in gone if door.media.exists(key)] == []
    await sweep_of(door, upload_life_s=60.0).sweep()
    assert [door.media.exists(key) for key in kept] == [True, True, True, False, True]


async def test_media_of_an_item_that_failed_for_good_are_removed(
    door: Door, start_worker: StartWorker, settings: Settings, tmp_path: Path
) -> None:
    # A worker killed after it gave an item up, and before it erased the media, left them for ever.
    await start_worker()
    good = await door.upload(picture(tmp_path / "red.jpg", RED), "image")
    await door.done(good)
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    bad = await door.upload(tmp_path / "bad.jpg", "image")
    await door.job_in(bad, "dead")

    async def erased() -> bool:
        return bad not in door.media.folders(door.space_id)

    await eventually(erased)  # the worker erases after it has given up: it took what is put here now and then
    key = put(door, settings, bad)
    await door.redis.hset(f"vills:{{{door.space_id}}}:job:{bad}", "retryable", 1)
    await sweep_of(door).sweep()
    assert door.media.exists(key)  # a retry would need it
    await door.redis.hset(f"vills:{{{door.space_id}}}:job:{bad}", "retryable", 0)
    await sweep_of(door).sweep()
    assert not door.media.exists(key)


async def test_nothing_is_removed_on_the_word_of_an_empty_store(door: Door, settings: Settings) -> None:
    # It may be a store that was lost, and whose media are all that is left.
    key = put(door, settings, new_id())
    await sweep_of(door).sweep()
    assert door.media.exists(key)


async def test_copies_of_files_elsewhere_lie_in_the_data_folder(start_worker: StartWorker, settings: Settings) -> None:
    # Bug: they lay in the temporary folder, where another user's folder of that name kept the worker from starting.
    await start_worker(own=settings.model_copy(update={"media_url": "memory://media"}))
    assert (settings.data_dir / "scratch").is_dir()
