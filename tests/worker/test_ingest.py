"""Uploads become tracks once, or are given up for a reason; whatever else happens meanwhile."""

import asyncio
from pathlib import Path

import pytest

from index.errors import JobNotRetryable, NotFound
from model.errors import DeviceFailed
from service.settings import Settings
from tests.worker.conftest import RunningWorker, StartWorker
from tests.worker.door import Door, eventually
from tests.worker.media_files import BLUE, GREEN, RED, clip, damaged_clip, picture


async def held_up(worker: RunningWorker) -> None:
    """Wait until the worker is inside an encode and stays there."""
    await asyncio.to_thread(worker.encoder.entered.wait)


async def counted(door: Door, worker: RunningWorker, outcome: str) -> None:
    """Wait until the worker has published that one attempt ended so."""

    async def look() -> bool:
        texts = [report.metrics for report in await door.processes.all() if report.name == worker.name]
        return any(f'vills_jobs_total{{outcome="{outcome}"}} 1.0' in text for text in texts)

    await eventually(look)


def files_of(door: Door, item_id: str) -> list[str]:
    return [name for name in ("original", "0000.jpg") if door.media.exists(f"{door.space_id}/{item_id}/{name}")]


async def test_many_uploads_by_two_workers_give_one_track_each(
    door: Door, start_worker: StartWorker, tmp_path: Path
) -> None:
    for _ in range(2):
        await start_worker()
    source = clip(tmp_path / "red.mp4", RED, frames=9)
    ids = [await door.upload(source) for _ in range(12)]
    jobs = await door.done(*ids)
    statistics = await door.items.statistics()
    assert statistics.count == statistics.videos == 12
    assert sorted(job.gallery_version or 0 for job in jobs) == list(range(1, 13))
    found = await door.items_found(RED, k=50, min_version=12)
    assert sorted(found) == sorted(ids)


async def test_a_worker_that_lost_its_lease_writes_nothing(
    door: Door, start_worker: StartWorker, settings: Settings, tmp_path: Path
) -> None:
    # It never renews, as if it had been stopped for longer than its lease.
    slow = await start_worker(own=settings.model_copy(update={"renew_s": 600.0}))
    slow.encoder.shut()
    item = await door.upload(clip(tmp_path / "red.mp4", RED))
    await held_up(slow)
    quick = await start_worker()
    job = (await door.done(item))[0]
    assert job.attempts == 2
    await quick.stop()
    slow.encoder.gate.set()
    await counted(door, slow, "lost")
    assert await door.items_found(RED, min_version=job.gallery_version) == [item]
    assert (await door.items.statistics()).count == 1
    assert len(await door.items.tracks(item)) == 1
    assert files_of(door, item) == ["original", "0000.jpg"]


@pytest.mark.parametrize("noticed", ["when it renews", "when it finishes"])
async def test_an_item_erased_while_it_is_encoded_is_gone_for_good(
    door: Door, start_worker: StartWorker, settings: Settings, tmp_path: Path, noticed: str
) -> None:
    renew_s = 0.1 if noticed == "when it renews" else 600.0
    worker = await start_worker(own=settings.model_copy(update={"renew_s": renew_s, "lease_s": 600.0}))
    worker.encoder.shut()
    item = await door.upload(clip(tmp_path / "red.mp4", RED))
    await held_up(worker)
    await door.erasure.erase_item(item, "video")
    if noticed == "when it renews":
        await counted(door, worker, "lost")
    worker.encoder.gate.set()
    await counted(door, worker, "lost")
    other = await door.upload(clip(tmp_path / "green.mp4", GREEN))
    version = (await door.done(other))[0].gallery_version
    assert await door.items_found(RED, k=9, min_version=version) == [other]
    with pytest.raises(NotFound):
        await door.items.get(item)
    assert files_of(door, item) == []


async def test_an_item_erased_while_it_waits_is_not_touched(
    door: Door, start_worker: StartWorker, settings: Settings, tmp_path: Path
) -> None:
    starter = await start_worker()
    await starter.stop()
    item = await door.upload(clip(tmp_path / "red.mp4", RED))
    await door.erasure.erase_item(item, "video")
    worker = await start_worker()
    other = await door.upload(clip(tmp_path / "green.mp4", GREEN))
    await door.done(other)
    assert await door.items_found(RED, k=9) == [other]
    assert len([1 for _, frames in worker.encoder.batches if frames > 1]) >= 1


async def test_damage_found_late_kills_the_job_and_erases_the_media(
    door: Door, start_worker: StartWorker, tmp_path: Path
) -> None:
    await start_worker()
    item = await door.upload(damaged_clip(tmp_path / "damaged.mp4"))
    job = await door.job_in(item, "dead")
    assert job.error is not None
    assert (job.error["status"], job.error["code"]) == (422, "media_damaged")
    assert (await door.items.get(item)).status == "failed"
    assert (await door.items.statistics()).count == 0

    async def no_files() -> bool:
        return files_of(door, item) == []

    await eventually(no_files)
    with pytest.raises(JobNotRetryable, match="erased"):
        await door.jobs.retry(item)


async def test_media_that_vanished_end_the_job(door: Door, start_worker: StartWorker, tmp_path: Path) -> None:
    starter = await start_worker()
    await starter.stop()
    item = await door.upload(clip(tmp_path / "red.mp4", RED))
    door.media.delete(f"{door.space_id}/{item}/original")
    await start_worker()
    job = await door.job_in(item, "dead")
    assert job.error is not None and job.error["code"] == "media_gone"


async def test_a_flaky_encoder_is_tried_again(door: Door, start_worker: StartWorker, tmp_path: Path) -> None:
    worker = await start_worker()
    worker.encoder.failures_left = 2
    item = await door.upload(picture(tmp_path / "red.jpg", RED), "image")
    job = (await door.done(item))[0]
    assert job.attempts == 3
    assert await door.items_found(RED, min_version=job.gallery_version) == [item]


async def test_a_job_that_keeps_failing_is_dead_and_can_be_tried_again_by_hand(
    door: Door, start_worker: StartWorker, settings: Settings, tmp_path: Path
) -> None:
    worker = await start_worker(own=settings.model_copy(update={"max_attempts": 2, "retry_delay_s": 0.01}))
    worker.encoder.failures_left = 1000
    item = await door.upload(clip(tmp_path / "red.mp4", RED))
    job = await door.job_in(item, "dead")
    assert job.attempts == 2
    assert job.error is not None and job.error["code"] in {"ingest_failed", "attempts_exhausted"}
    assert files_of(door, item)[0] == "original"
    worker.encoder.failures_left = 0
    await door.jobs.retry(item)
    await door.done(item)
    assert await door.items_found(RED, min_version=1) == [item]


async def test_a_stopping_worker_finishes_its_item(door: Door, start_worker: StartWorker, tmp_path: Path) -> None:
    worker = await start_worker()
    worker.encoder.shut()
    item = await door.upload(clip(tmp_path / "red.mp4", RED))
    await held_up(worker)
    stop = asyncio.create_task(worker.stop())
    await asyncio.sleep(0)
    worker.encoder.gate.set()
    await stop
    assert (await door.jobs.get(item)).state == "done"


async def test_what_a_stopping_worker_cannot_finish_is_free_at_once(
    door: Door, start_worker: StartWorker, settings: Settings, tmp_path: Path
) -> None:
    long_lease = settings.model_copy(update={"lease_s": 600.0, "drain_s": 0.2})
    worker = await start_worker(own=long_lease)
    worker.encoder.shut()
    item = await door.upload(clip(tmp_path / "red.mp4", RED))
    await held_up(worker)
    await worker.stop()
    assert (await door.jobs.get(item)).state == "retrying"
    worker.encoder.gate.set()
    await start_worker(own=long_lease)
    await door.done(item)


async def test_a_dead_device_ends_the_worker_and_another_one_does_its_work(
    door: Door, start_worker: StartWorker, tmp_path: Path
) -> None:
    worker = await start_worker()
    worker.encoder.device_fails = True
    item = await door.upload(clip(tmp_path / "red.mp4", RED))
    with pytest.raises(ExceptionGroup) as caught:
        await worker.task
    assert caught.group_contains(DeviceFailed)
    assert await door.processes.all() == []
    await start_worker()
    await door.done(item)


async def test_questions_are_answered_while_a_long_queue_of_uploads_waits(
    door: Door, start_worker: StartWorker, tmp_path: Path
) -> None:
    await start_worker()
    ids = [await door.upload(clip(tmp_path / "blue.mp4", BLUE, frames=16)) for _ in range(15)]
    payload = await door.ask(BLUE)
    assert payload["ok"]
    await door.done(*ids)
