"""The proof of an erasure is completed, place by place, and then nothing is left anywhere."""

from pathlib import Path

from index.records.job import Job
from service.settings import Settings
from tests.worker.conftest import StartWorker
from tests.worker.door import Door, eventually
from tests.worker.media_files import GREEN, RED, picture


async def proven(door: Door, job_id: str) -> Job:
    async def look() -> Job | None:
        job = await door.jobs.get(job_id)
        return job if job.state == "done" else None

    return await eventually(look)


async def test_an_erasure_is_proven_in_every_place(
    door: Door, start_worker: StartWorker, settings: Settings, tmp_path: Path
) -> None:
    often = settings.model_copy(update={"snapshot_entries": 1})
    await start_worker(own=often)
    await start_worker(own=often)
    red = await door.upload(picture(tmp_path / "red.jpg", RED), "image")
    green = await door.upload(picture(tmp_path / "green.jpg", GREEN), "image")
    await door.done(red, green)
    assert await door.items_found(RED, min_version=2) == [red, green]
    vector = (await door.items.track(f"{red}-0000")).vector

    job = await door.erasure.erase_item(red, "image")
    assert job.proof is not None and job.proof["append_only_file"] == "pending"
    proof = (await proven(door, job.id)).proof
    assert proof is not None and set(proof.values()) == {"done"}
    assert await door.items_found(RED) == [green]
    assert not door.media.exists(f"{door.space_id}/{red}/original")
    assert not door.media.exists(f"{door.space_id}/{red}/0000.jpg")
    kept = [file for file in settings.data_dir.rglob("*") if file.is_file() and vector in file.read_bytes()]
    assert kept == []


async def test_erasures_that_were_open_when_the_worker_stopped_are_completed(
    door: Door, start_worker: StartWorker, tmp_path: Path
) -> None:
    worker = await start_worker()
    red = await door.upload(picture(tmp_path / "red.jpg", RED), "image")
    await door.done(red)
    await worker.stop()
    job = await door.erasure.erase_item(red, "image")
    await start_worker()
    proof = (await proven(door, job.id)).proof
    assert proof is not None and set(proof.values()) == {"done"}
