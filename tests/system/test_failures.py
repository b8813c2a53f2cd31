"""What killing, stopping and erasing may not break, on real processes."""

import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from service.client import Upload, VillsClient, VillsError
from service.local.supervisor import LocalService
from service.settings import Settings
from tests.system.conftest import eventually, running, stopped
from tests.system.media import clip, picture

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LONG = 4000  # frames: decoding them takes long enough to be caught at it
ClientOf = Callable[[str], VillsClient]


def upload_and_catch(service: LocalService, client: VillsClient, folder: Path) -> Upload:
    """Upload a long clip and return as soon as a worker is at work on it."""
    upload = client.upload_video(clip(folder / "long.mp4", 1, LONG), camera_id="gate")
    eventually(lambda: client.job(upload.job_id).state == "running")
    return upload


def assert_one_set_of_tracks(client: VillsClient, upload: Upload) -> None:
    """The item is there once, with one track, and a picture of it finds just that."""
    assert [item.id for item in client.items("video")] == [upload.item_id]
    [track] = client.tracks("video", upload.item_id)
    hits = client.query_image([picture(1)], k=10, min_version=client.job(upload.job_id).gallery_version).hits
    assert [hit.track_id for hit in hits] == [track.track_id]


def test_a_worker_killed_in_mid_ingest_costs_nothing(settings: Settings, tmp_path: Path, client_of: ClientOf) -> None:
    with running(settings) as service:
        client = client_of(service.base_url)
        upload = upload_and_catch(service, client, tmp_path)
        with stopped(service.pids["worker"][0]):
            assert client.job(upload.job_id).state == "running"
            service.kill("worker", signal.SIGKILL)
        job = client.wait_for(upload.job_id, timeout_s=120)
        assert (job.state, job.attempts) == ("done", 2)
        assert_one_set_of_tracks(client, upload)


def test_a_worker_that_stood_still_past_its_lease_writes_nothing(
    settings: Settings, tmp_path: Path, client_of: ClientOf
) -> None:
    with running(settings, workers=1) as service:
        client = client_of(service.base_url)
        upload = upload_and_catch(service, client, tmp_path)
        with stopped(service.pids["worker"][0]):
            assert client.job(upload.job_id).state == "running"
            service.add_worker()
            job = client.wait_for(upload.job_id, timeout_s=120)
            assert (job.state, job.attempts) == ("done", 2)
        # Awake again, the first worker finds that its lease is gone, and says so.
        eventually(lambda: 'outcome="lost"' in metrics(service))
        assert_one_set_of_tracks(client, upload)


def metrics(service: LocalService) -> str:
    return httpx.get(f"{service.base_url}/metrics", timeout=10.0).text


def test_an_item_erased_while_it_is_ingested_is_gone_for_good(
    settings: Settings, tmp_path: Path, client_of: ClientOf
) -> None:
    with running(settings) as service:
        client = client_of(service.base_url)
        upload = upload_and_catch(service, client, tmp_path)
        with stopped(service.pids["worker"][0]):
            erasure = client.erase("video", upload.item_id)
        eventually(lambda: 'outcome="lost"' in metrics(service))
        eventually(lambda: client.job(erasure.id).state == "done")
        assert set((client.job(erasure.id).proof or {}).values()) == {"done"}
        assert list(client.items("video")) == []
        assert not client.query_image([picture(1)]).hits
        with pytest.raises(VillsError) as gone:
            client.item("video", upload.item_id)
        assert gone.value.status == 404
        assert not [path for path in settings.data_dir.rglob("*") if upload.item_id in str(path)]


def test_everything_acknowledged_outlives_a_power_cut(settings: Settings, tmp_path: Path, client_of: ClientOf) -> None:
    clips = [clip(tmp_path / f"{seed}.mp4", seed) for seed in range(6)]
    with running(settings) as service:
        client = client_of(service.base_url)
        done = [client.upload_video(path, wait=60) for path in clips[:3]]
        waiting = [client.upload_video(path) for path in clips[3:]]
        family = [psutil.Process(pid) for pids in service.pids.values() for pid in pids]
        service.kill_all()
        psutil.wait_procs(family, timeout=30)
    with running(settings) as service:
        client = client_of(service.base_url)
        for upload in waiting:
            assert client.wait_for(upload.job_id, timeout_s=60).state == "done"
        assert {item.id for item in client.items("video")} == {upload.item_id for upload in done + waiting}
        for seed, upload in enumerate(done + waiting):
            version = client.item("video", upload.item_id).gallery_version
            best = client.query_image([picture(seed)], k=1, min_version=version).hits[0]
            assert best.item_id == upload.item_id
