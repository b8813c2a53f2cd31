"""One key, one upload, however often it is sent."""

import asyncio
from uuid import uuid4

from redis.asyncio import Redis

from index.records.api_keys import ApiKeys
from tests.api.conftest import Api, eventually
from tests.api.samples import BLUE, RED, damaged_clip, picture


async def test_the_same_body_gives_the_first_answer(gallery: Api) -> None:
    headers = {"Idempotency-Key": uuid4().hex}
    first = await gallery.upload("image", picture(RED), {"camera_id": "door"}, headers=headers)
    keys, files = await gallery.keys(), gallery.files()

    second = await gallery.upload("image", picture(RED), {"camera_id": "door"}, headers=headers)

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    await eventually(lambda: _holds(gallery, keys, files))


async def test_another_body_is_a_conflict_and_leaves_nothing(gallery: Api) -> None:
    headers = {"Idempotency-Key": uuid4().hex}
    await gallery.upload("image", picture(RED), headers=headers)
    keys, files = await gallery.keys(), gallery.files()

    for content, fields in ((picture(BLUE), None), (picture(RED), {"camera_id": "hall"})):
        refused = await gallery.upload("image", content, fields, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_conflict")
        assert "new key" in refused.json()["detail"]
    await eventually(lambda: _holds(gallery, keys, files))


async def test_uploads_at_the_same_time_become_one(gallery: Api) -> None:
    headers = {"Idempotency-Key": uuid4().hex}
    answers = await asyncio.gather(*(gallery.upload("image", picture(RED), headers=headers) for _ in range(8)))
    assert len({answer.json()["item_id"] for answer in answers}) == 1
    listed = (await gallery.http.get("/gallery/images")).json()["items"]
    assert len(listed) == 1
    # The original and its thumbnail, and nothing of the seven others.
    await eventually(lambda: _n_files(gallery, 2))


async def test_keys_of_two_people_do_not_meet(gallery: Api, redis: Redis) -> None:
    shared = {"Idempotency-Key": "same"}
    tokens = [(await ApiKeys(redis).create(name, ["ingest"]))[1] for name in ("ann", "ben")]
    items = set()
    for token in tokens:

        async def accepted(token: str = token) -> bool:
            response = await gallery.upload("image", picture(RED), headers={**shared, "X-API-Key": token})
            items.add(response.json().get("item_id"))
            return response.status_code == 201

        await eventually(accepted)
    assert len(items) == 2


async def test_a_replay_of_what_has_died_tells_why_without_waiting_too(gallery: Api) -> None:
    # Bug: without ?wait the replay was a 202, a promise to encode, with the state `dead`.
    headers = {"Idempotency-Key": uuid4().hex}
    first = await gallery.upload("video", damaged_clip(), headers=headers)
    assert (first.status_code, first.json()["code"]) == (422, "media_damaged")
    second = await gallery.upload("video", damaged_clip(), headers=headers, wait=0)
    assert (second.status_code, second.json()["code"]) == (422, "media_damaged")
    assert second.json()["job_id"] == first.json()["job_id"]


async def test_a_bad_key_is_named(gallery: Api) -> None:
    refused = await gallery.upload("image", picture(), headers={"Idempotency-Key": "x" * 129})
    assert refused.status_code == 422
    assert "idempotency-key" in refused.json()["detail"].lower()


async def _holds(api: Api, keys: set[str], files: set[str]) -> bool:
    return await api.keys() == keys and api.files() == files


async def _n_files(api: Api, wanted: int) -> bool:
    return len(api.files()) == wanted
