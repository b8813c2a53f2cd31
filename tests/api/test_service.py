"""Health, readiness, metrics, version."""

import re
import shutil
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from index.records.spaces import Spaces
from service.api import models
from service.api.records import FOLLOWED_S
from service.local.valkey import EmbeddedStore
from service.media import MediaStore
from service.settings import Settings
from tests.api.conftest import Api, eventually, serving
from tests.api.fake_worker import SPACE, FakeWorker
from tests.api.samples import picture


async def test_an_empty_service_says_what_is_missing(api: Api) -> None:
    assert models.Health.model_validate((await api.http.get("/healthz")).json())
    ready = await api.http.get("/readyz")
    assert (ready.status_code, ready.json()["code"]) == (503, "not_ready")
    assert "start a worker" in ready.json()["reasons"][0]
    version = (await api.http.get("/version")).json()
    models.Version.model_validate(version)
    assert version["encoder"] is None
    text = (await api.http.get("/metrics")).text
    assert "vills_store_up 1.0" in text


async def test_readiness_lists_its_checks(gallery: Api, worker: FakeWorker) -> None:
    ready = (await gallery.http.get("/readyz")).json()
    models.Ready.model_validate(ready)
    assert ready["ready"] is True
    assert ready["checks"]["durable"] is True
    assert [each["name"] for each in ready["checks"]["workers"]] == [worker.name]
    assert "untrained" in ready["warnings"][0]
    await worker.report(ready=False)
    assert "index" in (await gallery.http.get("/readyz")).json()["reasons"][0]


async def test_a_full_disk_is_told_and_stops_no_query(gallery: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    # Bug: a full disk showed only in refused uploads; /readyz and /metrics said that all was well.
    checks = (await gallery.http.get("/readyz")).json()["checks"]
    assert checks["media"] == "ok" and checks["media_free_bytes"] > 0
    assert re.search(r"^vills_media_free_bytes [1-9]", (await gallery.http.get("/metrics")).text, re.MULTILINE)

    monkeypatch.setattr(MediaStore, "free_bytes", lambda self: 4096)
    ready = await gallery.http.get("/readyz")
    assert (ready.status_code, ready.json()["checks"]["media"]) == (200, "full")
    assert any("4096 bytes are left" in warning for warning in ready.json()["warnings"])
    assert "vills_media_free_bytes 4096.0" in (await gallery.http.get("/metrics")).text


async def test_a_media_folder_that_is_gone_is_no_readiness(gallery: Api) -> None:
    shutil.rmtree(gallery.parts.media.scratch_dir)
    ready = await gallery.http.get("/readyz")
    assert (ready.status_code, ready.json()["checks"]["media"]) == (503, "down")
    assert "media folder" in ready.json()["reasons"][0]
    assert str(gallery.folder) not in ready.text
    assert "vills_media_free_bytes 0.0" in (await gallery.http.get("/metrics")).text


async def test_version_tells_the_licence(gallery: Api) -> None:
    version = (await gallery.http.get("/version")).json()
    models.Version.model_validate(version)
    assert (version["status"], version["licence"]) == ("untrained", "Apache-2.0")
    research = SPACE.__class__.from_json(SPACE.to_json().replace("Apache-2.0", "CC-BY-NC, research only"))
    await gallery.redis.hset("vills:spaces", SPACE.id, research.to_json())

    async def warned() -> bool:
        return any("research only" in line for line in (await gallery.http.get("/version")).json()["warnings"])

    assert FOLLOWED_S < 10
    await eventually(warned)


async def test_metrics_are_one_family_a_name(gallery: Api, worker: FakeWorker) -> None:
    worker.metrics.observe_batch(4)
    worker.metrics.stages.observe("encode", 0.1)
    await gallery.added("image", picture())
    await gallery.ask()
    await gallery.http.get("/nowhere/at/all")
    await worker.report(ready=True)

    text = (await gallery.http.get("/metrics")).text
    types = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(types) == len(set(types))
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }

    def value(name: str, **labels: str) -> float:
        return samples[name, tuple(sorted(labels.items()))]

    process = worker.name
    assert value("vills_requests_total", route="/query/image", method="POST", status="200") == 1
    assert value("vills_requests_total", route="unmatched", method="GET", status="404") == 1
    assert value("vills_rejected_total", reason="not_found") == 1
    assert value("vills_request_seconds_count", route="/query/image", status="200") == 1
    assert value("vills_stage_seconds_count", stage="decode") == 1
    assert value("vills_stage_seconds_count", stage="encode", process=process) == 1
    assert value("vills_batch_items_sum", process=process) == 4
    assert value("vills_jobs_total", outcome="done", process=process) == 1
    assert value("vills_gallery_tracks", kind="image") == 1
    assert value("vills_gallery_tracks", kind="video") == 0
    assert value("vills_log_lag_entries", process=process) == 0
    assert value("vills_queue_items", queue="ingest") == 0
    assert value("vills_dead_letters") == 0
    assert value("vills_durable") == value("vills_store_up") == value("vills_workers_ready") == 1
    assert not [name for name, _ in samples if name.endswith("_created")]
    labels = {label for _, pairs in samples for label, _ in pairs}
    assert labels <= {"route", "method", "status", "reason", "stage", "queue", "kind", "process", "le", "outcome"} | {
        "version",
        "space",
        "encoder",
        "trained",
        "licence",
    }


async def test_a_store_that_is_away_is_503_and_health_still_answers(tmp_path: Path) -> None:
    with EmbeddedStore(tmp_path, restart=False) as store:
        settings = Settings(data_dir=tmp_path, redis_url=store.url, decoders=1)
        async with serving(settings) as api:
            await Spaces(api.redis).register(SPACE, activate_new=False)
            assert (await api.http.get("/gallery/images")).status_code == 200
            store.stop()
            assert (await api.http.get("/healthz")).status_code == 200
            for path in ("/gallery/images", "/jobs"):
                refused = await api.http.get(path)
                assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
                assert int(refused.headers["retry-after"]) >= 1
            asked = await api.ask()
            assert (asked.status_code, asked.json()["code"]) == (503, "store_unavailable")
            ready = await api.http.get("/readyz")
            assert (ready.status_code, ready.json()["checks"]["store"]) == (503, "down")
            assert "vills_store_up 0.0" in (await api.http.get("/metrics")).text
            assert api.files() == set()


async def test_what_nobody_foresaw_is_a_problem_too(gallery: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: object) -> str:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("service.api.routes.service.scrape", broken)
    failed = await gallery.http.get("/metrics")
    assert (failed.status_code, failed.json()["code"]) == (500, "internal_error")
    assert "secret detail" not in failed.text
    assert failed.json()["request_id"] in failed.json()["detail"]
