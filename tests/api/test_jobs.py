"""Waiting for work, repeating it, calling it off."""

import asyncio
import time

import httpx
import pytest

from service.api import models
from tests.api.conftest import Api, eventually
from tests.api.fake_worker import SPACE, FakeWorker
from tests.api.samples import damaged_clip, picture


async def queued(api: Api, worker: FakeWorker) -> str:
    """The id of an upload that no worker takes."""
    worker.idle.clear()
    # A read that was under way when the worker was told to rest may still take one entry.
    while True:
        response = await api.upload("image", picture(), wait=0)
        assert response.status_code == 202, response.text
        item_id: str = response.json()["item_id"]
        if await _waits(api):
            return item_id


async def _waits(api: Api) -> bool:
    await asyncio.sleep(0.1)
    return bool(await api.redis.xlen(f"vills:{{{SPACE.id}}}:ingest"))


async def test_an_upload_is_acknowledged_before_it_is_searchable(gallery: Api, worker: FakeWorker) -> None:
    item_id = await queued(gallery, worker)
    job = (await gallery.http.get(f"/jobs/{item_id}")).json()
    models.Job.model_validate(job)
    assert job["state"] == "queued"
    over = await gallery.http.get(f"/jobs/{item_id}", params={"wait": 0.1})
    assert over.json()["state"] == "queued"

    waiting = asyncio.create_task(gallery.http.get(f"/jobs/{item_id}", params={"wait": 20}))
    worker.idle.set()
    done = (await waiting).json()
    assert (done["state"], done["gallery_version"] >= 1) == ("done", True)


async def test_the_wait_of_an_upload_ends_with_202(gallery: Api, worker: FakeWorker) -> None:
    await queued(gallery, worker)
    response = await gallery.upload("image", picture(), wait=0.1)
    assert response.status_code == 202
    models.Upload.model_validate(response.json())
    assert response.json()["gallery_version"] is None
    assert response.headers["location"] == f"/jobs/{response.json()['job_id']}"


async def test_201_carries_the_version_that_finds_it(gallery: Api) -> None:
    response = await gallery.upload("image", picture())
    assert response.status_code == 201
    version = response.json()["gallery_version"]
    answer = await gallery.ask(picture(), min_version=str(version))
    assert answer.json()["gallery_version"] >= version
    assert [hit["item_id"] for hit in answer.json()["hits"]] == [response.json()["item_id"]]


async def test_dead_jobs_are_listed_and_cannot_be_retried_without_media(gallery: Api) -> None:
    failed = await gallery.upload("video", damaged_clip())
    job_id = failed.json()["job_id"]
    listed = (await gallery.http.get("/jobs")).json()
    models.Jobs.model_validate(listed)
    assert [job["id"] for job in listed["items"]] == [job_id]
    assert (await gallery.http.get("/jobs", params={"status": "done"})).json()["items"] == []


async def test_only_dead_jobs_are_retried(gallery: Api) -> None:
    item_id = await gallery.added("image", picture())
    refused = await gallery.http.post(f"/jobs/{item_id}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "job_not_retryable")
    assert "done" in refused.json()["detail"]


async def test_a_cancelled_upload_is_gone(gallery: Api, worker: FakeWorker) -> None:
    item_id = await queued(gallery, worker)
    cancelled = await gallery.http.delete(f"/jobs/{item_id}")
    assert cancelled.status_code == 200
    erasure = cancelled.json()
    assert (erasure["kind"], erasure["item_id"]) == ("erase", item_id)
    assert erasure["proof"]["media"] == erasure["proof"]["queued_work"] == "done"
    assert (await gallery.http.get(f"/jobs/{item_id}")).json()["state"] == "cancelled"
    assert not [file for file in gallery.files() if item_id in file]
    again = await gallery.http.delete(f"/jobs/{item_id}")
    assert (again.status_code, again.json()["state"]) == (200, "cancelled")


async def test_what_is_done_is_erased_not_cancelled(gallery: Api) -> None:
    item_id = await gallery.added("image", picture())
    refused = await gallery.http.delete(f"/jobs/{item_id}")
    assert (refused.status_code, refused.json()["code"]) == (409, "job_not_retryable")
    assert "erase its item" in refused.json()["detail"]


async def test_a_stopping_api_lets_waiting_clients_go(gallery: Api, worker: FakeWorker) -> None:
    item_id = await queued(gallery, worker)
    began = time.monotonic()
    waiting = asyncio.create_task(gallery.http.get(f"/jobs/{item_id}", params={"wait": 25}))

    async def held() -> bool:
        return bool(gallery.parts.board._watchers)

    await eventually(held)
    gallery.parts.board.close()
    assert (await waiting).json()["state"] == "queued"
    assert time.monotonic() - began < 25


async def test_a_client_that_leaves_while_sending_leaves_nothing(gallery: Api) -> None:
    keys, files = await gallery.keys(), gallery.files()
    for path in ("/gallery/images", "/query/image"):
        url = httpx.URL(gallery.url)
        _, writer = await asyncio.open_connection(url.host, url.port)
        body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n' + picture()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body) + 1000}\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await writer.drain()
        await eventually(lambda: _has_scratch(gallery))
        writer.close()
        await writer.wait_closed()
        await eventually(lambda: _holds(gallery, keys, files))


async def _has_scratch(api: Api) -> bool:
    return any(".scratch" in file for file in api.files())


async def _holds(api: Api, keys: set[str], files: set[str]) -> bool:
    return await api.keys() == keys and api.files() == files


async def test_a_body_that_stands_still_is_given_up(gallery: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.api.uploads.IDLE_S", 0.1)
    never = asyncio.Event()

    async def stalling() -> object:
        yield b"--x"
        await never.wait()

    keys = await gallery.keys()
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    sending = asyncio.create_task(gallery.http.post("/query/image", content=stalling(), headers=headers))  # type: ignore[arg-type]
    rejected = gallery.parts.metrics.rejected

    async def refused() -> bool:
        return bool(rejected.labels("upload_stalled")._value.get())

    await eventually(refused)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await eventually(lambda: _holds(gallery, keys, gallery.files()))
