"""Uploads whose acceptance goes wrong: what was not acknowledged is either gone or still whole, never half there."""

import asyncio
import errno
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from index.errors import NotDurable, StoreUnavailable
from index.records.intake import Accepted, Intake
from index.records.spaces import Spaces
from service import media
from service.settings import Settings
from tests.api.conftest import Api, eventually, serving
from tests.api.fake_worker import SPACE, FakeWorker
from tests.api.samples import picture


async def test_media_of_what_was_not_accepted_are_removed(gallery: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    keys, files = await gallery.keys(), gallery.files()

    async def away(*_: Any, **__: Any) -> Accepted:
        raise StoreUnavailable("gone before it began")

    monkeypatch.setattr(Intake, "accept", away)
    refused = await gallery.upload("image", picture())
    assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
    assert "retry-after" in refused.headers

    async def as_before() -> bool:
        return await gallery.keys() == keys and gallery.files() == files

    await eventually(as_before)


async def test_media_of_what_may_be_accepted_stay_and_the_same_key_tells(
    gallery: Api, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept = Intake.accept
    headers = {"Idempotency-Key": "once"}

    async def accepted_without_disk(*arguments: Any, **options: Any) -> Accepted:
        await accept(*arguments, **options)
        raise NotDurable("the disk did not answer")

    with monkeypatch.context() as patched:
        patched.setattr(Intake, "accept", accepted_without_disk)
        unsure = await gallery.upload("image", picture(), headers=headers)
    assert (unsure.status_code, unsure.json()["code"]) == (503, "not_durable")

    told = await gallery.upload("image", picture(), headers=headers)
    assert told.status_code == 201
    [item] = (await gallery.http.get("/gallery/images")).json()["items"]
    assert item["id"] == told.json()["item_id"]
    assert (await gallery.http.get(item["media"])).content == picture()


async def test_media_of_an_upload_cancelled_in_mid_acceptance_stay(
    gallery: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Bug: an api that stopped past its grace cancelled requests between the accept script and its answer, and deleted
    # the media of items that had been accepted.
    accept = Intake.accept

    async def accepted_and_cancelled(*arguments: Any, **options: Any) -> Accepted:
        accepted = await accept(*arguments, **options)
        request = asyncio.current_task()
        assert request is not None
        request.cancel()
        await asyncio.sleep(0)
        return accepted

    with monkeypatch.context() as patched:
        patched.setattr(Intake, "accept", accepted_and_cancelled)
        assert (await gallery.upload("image", picture())).status_code == 500  # the server's word, not ours

    async def searchable() -> list[dict[str, Any]]:
        listed = await gallery.http.get("/gallery/images", params={"status": "ready"})
        items: list[dict[str, Any]] = listed.json()["items"]
        return items

    [item] = await eventually(searchable)
    assert (await gallery.http.get(item["media"])).content == picture()


async def test_a_folder_that_cannot_be_synced_keeps_no_file(gallery: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    # Bug: the file was put in its place outside of the block that cleans up, so a failing sync of its folder left a
    # file of no item behind for ever, and the answer was a 500.
    files, sync = gallery.files(), media._sync
    failed: list[Path] = []

    def failing_once(path: Path) -> None:
        if path.is_dir() and not failed:
            failed.append(path)
            raise OSError(errno.EIO, "Input/output error")
        sync(path)

    monkeypatch.setattr(media, "_sync", failing_once)
    refused = await gallery.upload("image", picture())
    assert (refused.status_code, refused.json()["code"]) == (503, "storage_unavailable")
    assert int(refused.headers["retry-after"]) >= 1
    assert failed
    assert gallery.files() == files


async def test_uploads_to_a_store_elsewhere_grow_in_the_data_folder(
    settings: Settings, redis: Redis, tmp_path: Path
) -> None:
    await Spaces(redis).register(SPACE, activate_new=False)
    elsewhere = settings.model_copy(update={"media_url": f"memory://{tmp_path.name}"})
    async with serving(elsewhere) as api:
        assert api.parts.media.scratch_dir == settings.data_dir / "scratch"
        assert (await api.upload("image", picture(), wait=0)).status_code == 202
        assert list(api.parts.media.scratch_dir.iterdir()) == []
