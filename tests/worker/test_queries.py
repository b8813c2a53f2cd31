"""Questions and answers through a real store, by a worker whose encoder sees only colours."""

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest

from index.entries import Filter
from service.settings import Settings
from tests.worker.colour_encoder import DIMENSION, SAMPLING
from tests.worker.conftest import StartWorker
from tests.worker.door import Door, eventually, plain_crop
from tests.worker.media_files import BLUE, GREEN, OLIVE, RED, clip, picture


async def test_what_was_uploaded_is_found_by_picture_and_by_clip(
    door: Door, start_worker: StartWorker, tmp_path: Path
) -> None:
    await start_worker()
    red = await door.upload(clip(tmp_path / "red.mp4", RED), camera_id="north", captured_at_ms=1_000_000)
    green = await door.upload(picture(tmp_path / "green.jpg", GREEN), "image", captured_at_ms=5_000)
    jobs = await door.done(red, green)
    version = max(job.gallery_version or 0 for job in jobs)

    payload = await door.ask(RED, min_version=version)
    assert payload["ok"] and not payload["partial"]
    assert payload["gallery_version"] >= version
    assert [hit[0] for hit in payload["hits"]] == [f"{red}-0000", f"{green}-0000"]
    assert payload["hits"][0][1] == pytest.approx(1, abs=0.01)
    assert set(payload["timings_ms"]) == {"queue", "encode", "search"}
    assert all(ms >= 0 for ms in payload["timings_ms"].values())

    green_clip = np.stack([np.repeat(plain_crop(GREEN), SAMPLING.frames, axis=0)] * 2)
    answer = await door.ask_with(green_clip, [4, 2], [2])
    assert answer["hits"][0][0] == f"{green}-0000"

    track = await door.items.track(f"{red}-0000")
    assert (track.camera_id, track.kind, track.n_frames, track.box) == ("north", "video", 10, (0, 0, 32, 64))
    assert (track.start_ms, track.end_ms) == (1_000_000, 1_001_000)
    still = await door.items.track(f"{green}-0000")
    assert (still.start_ms, still.end_ms) == (5_000, 5_001)
    assert (await door.items.get(red)).status == "ready"
    for item in (red, green):
        assert door.media.read(f"{door.space_id}/{item}/0000.jpg").startswith(b"\xff\xd8")


async def test_different_filters_in_one_batch(door: Door, start_worker: StartWorker, tmp_path: Path) -> None:
    worker = await start_worker()
    red = await door.upload(clip(tmp_path / "a.mp4", RED), camera_id="north", captured_at_ms=0, tags={"day": "1"})
    green = await door.upload(clip(tmp_path / "b.mp4", GREEN), camera_id="south", captured_at_ms=60_000)
    blue = await door.upload(picture(tmp_path / "c.jpg", BLUE), "image", camera_id="north")
    version = max(job.gallery_version or 0 for job in await door.done(red, green, blue))

    worker.encoder.shut()
    blocker = asyncio.create_task(door.items_found(RED))
    await asyncio.to_thread(worker.encoder.entered.wait)
    asked = [
        asyncio.create_task(door.items_found(RED, filter=each, k=k, min_score=score, min_version=version))
        for each, k, score in [
            (Filter(), 3, None),
            (Filter(kind="image"), 3, None),
            (Filter(camera_ids=("south",)), 3, None),
            (Filter(from_ms=0, to_ms=1), 3, None),
            (Filter(tags=(("day", "1"),)), 3, None),
            (Filter(exclude_item_ids=(red,), kind="video"), 3, None),
            (Filter(camera_ids=("nowhere",)), 3, None),
            (Filter(), 1, None),
            (Filter(), 3, 0.9),
        ]
    ]
    await eventually(lambda: _waiting(worker.worker.batcher.waiting(), len(asked)))
    worker.encoder.gate.set()
    every, images, south, early, tagged, others, nothing, one, sure = await asyncio.gather(*asked)
    assert every[0] == red and sorted(every) == sorted([red, green, blue])
    assert (images, south, early, tagged) == ([blue], [green], [red], [red])
    assert (others, nothing, one, sure) == ([green], [], [red], [red])
    assert await blocker
    assert (len(asked), 1) in worker.encoder.batches


async def _waiting(now: int, wanted: int) -> bool:
    return now == wanted


async def test_several_files_of_one_person_and_a_stored_vector(
    door: Door, start_worker: StartWorker, tmp_path: Path
) -> None:
    await start_worker()
    ids = [await door.upload(picture(tmp_path / f"{c}.jpg", c), "image") for c in (RED, GREEN, OLIVE)]
    await door.done(*ids)
    assert (await door.items_found(RED, GREEN, k=1)) == [ids[2]]  # between red and green lies olive

    vector = (await door.items.track(f"{ids[1]}-0000")).vector
    similar = await door.ask_with(None, vector=vector, filter=Filter(exclude_item_ids=(ids[1],)))
    assert [hit[0] for hit in similar["hits"]] == [f"{ids[2]}-0000", f"{ids[0]}-0000"]
    itself = await door.ask_with(None, vector=vector, k=1)
    assert itself["hits"][0] == [f"{ids[1]}-0000", pytest.approx(1, abs=0.01)]


async def test_a_query_waits_for_its_version_and_gives_up_at_its_deadline(
    door: Door, start_worker: StartWorker, tmp_path: Path
) -> None:
    await start_worker()
    early = asyncio.create_task(door.ask(RED, min_version=1))
    refused = await door.ask(RED, min_version=1_000, deadline_s=0.4)
    assert (refused["ok"], refused["status"], refused["code"]) == (False, 503, "version_not_reached")
    assert not early.done()
    red = await door.upload(clip(tmp_path / "red.mp4", RED))
    assert (await early)["hits"][0][0] == f"{red}-0000"


@pytest.mark.parametrize(
    ("crops", "lengths", "groups"),
    [
        (np.zeros((1, 1, 8, 8, 3), np.uint8), [1], [1]),  # of another size
        (np.zeros((1, 1, SAMPLING.height, SAMPLING.width, 3), np.float32), [1], [1]),
        (np.array([{}], dtype=object), [1], [1]),  # a pickle
        (np.zeros((1, 9, SAMPLING.height, SAMPLING.width, 3), np.uint8), [9], [1]),  # too long
        (np.zeros((2, 1, SAMPLING.height, SAMPLING.width, 3), np.uint8), [1], [2]),
        (np.zeros((2, 1, SAMPLING.height, SAMPLING.width, 3), np.uint8), [1, 1], [1]),
        (np.zeros((1, 1, SAMPLING.height, SAMPLING.width, 3), np.uint8), [0], [1]),
    ],
)
async def test_crops_that_do_not_fit_are_refused_and_spare_the_worker(
    door: Door,
    start_worker: StartWorker,
    crops: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]",
    lengths: list[int],
    groups: list[int],
) -> None:
    await start_worker()
    refused, fine = await asyncio.gather(door.ask_with(crops, lengths, groups), door.ask(RED))
    assert (refused["ok"], refused["code"]) == (False, "query_crops_unusable")
    assert fine == {**fine, "ok": True, "hits": []}


@pytest.mark.parametrize("vector", [b"", b"\x00" * 2 * DIMENSION, b"\x00\x3c" * (DIMENSION + 1), b"odd"])
async def test_vectors_that_do_not_fit_are_refused_and_spare_the_worker(
    door: Door, start_worker: StartWorker, vector: bytes
) -> None:
    await start_worker()
    refused, fine = await asyncio.gather(door.ask_with(None, vector=vector), door.ask(RED))
    assert (refused["ok"], refused["status"], refused["code"]) == (False, 422, "bad_vector")
    assert fine["ok"]


async def test_a_failing_encoder_fails_one_query_and_not_its_neighbours(door: Door, start_worker: StartWorker) -> None:
    worker = await start_worker()
    worker.encoder.shut()
    blocker = asyncio.create_task(door.ask(RED))
    await asyncio.to_thread(worker.encoder.entered.wait)
    asked = [asyncio.create_task(door.ask(RED)) for _ in range(3)]
    await eventually(lambda: _waiting(worker.worker.batcher.waiting(), 3))
    worker.encoder.failures_left = 3  # the blocker, the batch of three, the first of them alone
    worker.encoder.gate.set()
    assert (await blocker)["code"] == "encoder_failed"
    answers = await asyncio.gather(*asked)
    assert [payload["code"] for payload in answers if not payload["ok"]] == ["encoder_failed"]


async def test_two_workers_share_the_questions_and_each_is_answered_once(
    door: Door, start_worker: StartWorker, tmp_path: Path
) -> None:
    first, second = await start_worker(), await start_worker()
    red = await door.upload(clip(tmp_path / "red.mp4", RED))
    version = (await door.done(red))[0].gallery_version
    first.encoder.batches.clear()
    second.encoder.batches.clear()
    for _ in range(5):
        found = await asyncio.gather(*(door.items_found(RED, min_version=version) for _ in range(8)))
        assert found == [[red]] * 8
    answered = [sum(size for size, _ in worker.encoder.batches) for worker in (first, second)]
    assert sum(answered) == 40
    assert door.late == []


async def test_a_query_left_behind_is_taken_over(
    door: Door, start_worker: StartWorker, settings: Settings, tmp_path: Path
) -> None:
    first = await start_worker()
    first.encoder.shut()
    asked = asyncio.create_task(door.ask(RED, deadline_s=19.0))
    await asyncio.to_thread(first.encoder.entered.wait)
    first.encoder.device_fails = True
    second = await start_worker()
    first.encoder.gate.set()
    with pytest.raises(ExceptionGroup):
        await first.task
    assert (await asked)["ok"]
    assert second.encoder.batches


async def test_a_full_worker_leaves_the_rest_in_the_stream(
    door: Door, start_worker: StartWorker, settings: Settings
) -> None:
    worker = await start_worker(own=settings.model_copy(update={"batch_items": 2}))
    worker.encoder.shut()
    asked = [asyncio.create_task(door.ask(RED)) for _ in range(12)]
    await eventually(lambda: _at_least(worker.worker.batcher.waiting(), 4))
    assert worker.worker.batcher.waiting() <= 3 * 2
    worker.encoder.gate.set()
    assert all(payload["ok"] for payload in await asyncio.gather(*asked))
    assert max(size for size, _ in worker.encoder.batches) == 2


async def _at_least(now: int, wanted: int) -> bool:
    return now >= wanted


async def test_stopping_answers_what_was_taken(door: Door, start_worker: StartWorker) -> None:
    worker = await start_worker()
    worker.encoder.shut()
    asked = [asyncio.create_task(door.ask(RED)) for _ in range(3)]
    await asyncio.to_thread(worker.encoder.entered.wait)
    await eventually(lambda: _waiting(worker.worker.batcher.waiting(), 2))
    stop = asyncio.create_task(worker.stop())
    await asyncio.sleep(0)
    worker.encoder.gate.set()
    await stop
    assert all(payload["ok"] for payload in await asyncio.gather(*asked))
    assert await door.processes.all() == []


async def test_a_query_past_its_deadline_is_not_encoded(door: Door, start_worker: StartWorker) -> None:
    worker = await start_worker()
    worker.encoder.shut()
    blocker = asyncio.create_task(door.ask(RED))
    await asyncio.to_thread(worker.encoder.entered.wait)
    started = time.monotonic()
    late = asyncio.create_task(door.ask(GREEN, deadline_s=0.3))
    await eventually(lambda: _past(started + 0.5))
    worker.encoder.gate.set()
    assert (await late)["code"] == "deadline_exceeded"
    assert (await blocker)["ok"]


async def _past(moment: float) -> bool:
    return time.monotonic() > moment
