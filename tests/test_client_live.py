"""Every method of the client against the real service, so that both sides mean the same by each word."""

from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from service.client import VillsClient, VillsError
from service.local.supervisor import LocalService
from service.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

ONNX = Path(__file__).parents[2] / "shared" / "models" / "retail-0248.onnx"
# Small, and without a calibration: every hit is shown, however unlikely.
ENCODER = f"onnx:{ONNX}" if ONNX.exists() else "vills-tiny"
NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def vills(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VillsClient]:
    folder = tmp_path_factory.mktemp("service")
    settings = Settings(data_dir=folder / "data", port=0, encoder=ENCODER, threads=1, decoders=1, redis_url=None)
    with LocalService(settings, log=folder / "log") as service:
        assert service.wait_ready(120)
        with VillsClient(service.base_url) as client:
            yield client


def noise(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A picture (H, W, 3) that is unlike the others: soft blobs of its own colours."""
    coarse = np.random.default_rng(seed).integers(0, 255, (8, 4, 3), np.uint8)
    return coarse.repeat(16, axis=0).repeat(16, axis=1)


def picture(seed: int) -> bytes:
    buffer = BytesIO()
    Image.fromarray(noise(seed)).save(buffer, "PNG")
    return buffer.getvalue()


def clip(path: Path, seed: int, n_frames: int = 10) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 128, "yuv420p"
        for _ in range(n_frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise(seed), "rgb24")))
        container.mux(stream.encode())
    return path


def test_a_clip_is_found_by_a_picture_and_everything_about_it_can_be_read(vills: VillsClient, tmp_path: Path) -> None:
    path = clip(tmp_path / "walk one.mp4", 1)
    upload = vills.upload_video(path, camera_id="door", captured_at=NOON, tags={"shift": "night"}, wait=60)
    other = vills.upload_video(clip(tmp_path / "other.mp4", 2), camera_id="yard", wait=60)
    assert upload.searchable and other.searchable
    assert upload.gallery_version is not None

    item = vills.item("video", upload.item_id)
    assert (item.kind, item.status, item.camera_id, item.captured_at) == ("video", "ready", "door", NOON)
    assert (item.filename, item.tags, item.n_tracks) == ("walk one.mp4", {"shift": "night"}, 1)
    assert item.size_bytes == path.stat().st_size
    (track,) = vills.tracks("video", upload.item_id)
    assert vills.track(track.track_id) == track
    assert (track.n_frames, track.box, track.start) == (10, (0, 0, 64, 128), NOON)
    assert vills.thumbnail(track.track_id).startswith(b"\xff\xd8")
    assert vills.media("video", upload.item_id) == path.read_bytes()
    assert vills.media("video", upload.item_id, start=4, length=4) == b"ftyp"

    answer = vills.query_image(picture(1), k=5, target="videos", min_version=other.gallery_version)
    assert answer.hits[0].track_id == track.track_id
    assert (answer.hits[0].camera_id, answer.hits[0].start) == ("door", NOON)
    assert answer.partial is False
    assert answer.timings_ms["total"] > 0
    assert [hit.item_id for hit in vills.query_video(path, camera_ids=["yard"]).hits] == [other.item_id]
    assert vills.query_video([path, path], tags={"shift": "night"}).hits[0].item_id == upload.item_id
    assert other.item_id in {hit.item_id for hit in vills.similar(track.track_id).hits}
    assert vills.query_image(picture(1), to=NOON).hits == ()

    assert vills.retag("video", upload.item_id, {"shift": "day"}).tags == {"shift": "day"}
    assert vills.item("video", upload.item_id).tags == {"shift": "day"}


def test_an_image_goes_the_same_way_and_away_again(vills: VillsClient) -> None:
    upload = vills.upload_image(picture(7), camera_id="gate", wait=60)
    (track,) = vills.tracks("image", upload.item_id)
    hits = vills.query_image([picture(7), picture(7)], target="images", k=1).hits
    assert [hit.track_id for hit in hits] == [track.track_id]
    job = vills.erase("image", upload.item_id)
    assert (job.kind, job.item_id) == ("erase", upload.item_id)
    done = vills.wait_for(job.id, 60)
    assert done.proof is not None and set(done.proof.values()) == {"done"}
    with pytest.raises(VillsError) as caught:
        vills.item("image", upload.item_id)
    assert caught.value.status == 404
    assert track.track_id not in {hit.track_id for hit in vills.query_image(picture(7), target="images").hits}


def test_a_repeated_upload_gives_the_first_answer(vills: VillsClient) -> None:
    first = vills.upload_image(picture(20), idempotency_key="twenty", wait=60)
    again = vills.upload_image(picture(20), idempotency_key="twenty", wait=60)
    assert again.item_id == first.item_id
    with pytest.raises(VillsError) as caught:
        vills.upload_image(picture(21), idempotency_key="twenty")
    assert caught.value.status == 409


def test_items_come_newest_first_over_pages(vills: VillsClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.client.client.PAGE_ITEMS", 2)
    uploads = [vills.upload_image(picture(30 + seed), camera_id="pages", wait=60) for seed in range(5)]
    found = [item.id for item in vills.items("image", camera_id="pages")]
    assert found == [upload.item_id for upload in reversed(uploads)]
    assert list(vills.items("image", camera_id="nowhere")) == []


def test_what_is_no_picture_is_refused_by_name(vills: VillsClient) -> None:
    with pytest.raises(VillsError) as caught:
        vills.upload_image(b"<html>no picture</html>")
    assert caught.value.status == 415
    assert caught.value.request_id
    with pytest.raises(VillsError) as caught:
        vills.query_image(picture(1), box=(0, 0, 999, 999))
    assert caught.value.status == 422


def test_jobs_can_be_listed_and_only_dead_ones_retried(vills: VillsClient) -> None:
    upload = vills.upload_image(picture(40), wait=60)
    job = vills.job(upload.job_id)
    assert (job.state, job.item_id, job.attempts) == ("done", upload.item_id, 1)
    assert list(vills.jobs("dead")) == []
    with pytest.raises(VillsError) as caught:
        vills.retry_job(upload.job_id)
    assert caught.value.status == 409
    with pytest.raises(VillsError) as caught:
        vills.job("0" * 32)
    assert caught.value.status == 404


def test_the_service_says_what_it_is(vills: VillsClient) -> None:
    version = vills.version()
    assert version.encoder and version.licence and version.trained is not None
    assert vills.ready().ready
    assert "vills_" in vills.metrics()
