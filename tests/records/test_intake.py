"""Slots, idempotency, listing and keys."""

import asyncio

import pytest
from redis.asyncio import Redis

from index.errors import IdempotencyConflict, NoSpace, NotFound, SpaceMismatch, StoreUnavailable
from index.records.api_keys import ApiKeys
from index.records.connection import connect, durability
from index.records.intake import Idempotency, Intake
from index.records.items import Items
from index.records.keys import Keys
from index.records.queues import queue_figures
from index.records.spaces import Spaces
from index.records.work import Work
from index.space import Space
from tests.records.conftest import SPACE, all_keys, an_item, ingested

KEY = Idempotency("client", "once", "hash")


async def test_the_same_key_and_body_give_the_first_answer(redis: Redis, intake: Intake) -> None:
    first, second = an_item(), an_item()
    answers = await asyncio.gather(*(intake.accept(item, idempotency=KEY) for item in (first, second)))
    assert {answer.item_id for answer in answers} == {answers[0].item_id}
    assert sorted(answer.replayed for answer in answers) == [False, True]
    assert await redis.xlen(Keys(SPACE.id).of("INGEST")) == 1


async def test_the_same_key_with_another_body_is_refused(redis: Redis, intake: Intake) -> None:
    await intake.accept(an_item(), idempotency=KEY)
    before = await all_keys(redis)
    with pytest.raises(IdempotencyConflict):
        await intake.accept(an_item(), idempotency=Idempotency("client", "once", "other"))
    assert await all_keys(redis) == before


async def test_slots_are_a_bound_and_end_by_themselves(redis: Redis, intake: Intake) -> None:
    assert [await intake.reserve(str(n), limit=2, ttl_s=60) for n in range(3)] == [True, True, False]
    assert await intake.reserve("0", limit=2, ttl_s=60)  # held already
    await intake.release("0")
    assert await intake.reserve("3", limit=2, ttl_s=60)
    await redis.zadd(Keys(SPACE.id).of("SLOTS", "ingest"), {"1": 1})  # its time is over
    assert await intake.reserve("4", limit=2, ttl_s=60)


async def test_an_accepted_upload_keeps_its_slot_until_it_is_done(redis: Redis, intake: Intake) -> None:
    item = an_item()
    await intake.reserve(item.id, limit=1, ttl_s=60)
    await intake.accept(item, idempotency=None)
    assert await redis.zscore(Keys(SPACE.id).of("SLOTS", "ingest"), item.id) == float("inf")
    assert not await intake.reserve("next", limit=1, ttl_s=60)
    figures = await queue_figures(redis, SPACE.id)
    assert [(queue.queue, queue.items) for queue in figures.queues] == [("ingest", 1), ("query", 0), ("retry", 0)]
    assert figures.slots == {"ingest": 1, "query": 0}


async def test_pages_are_whole_and_without_repeats(intake: Intake, work: Work, items: Items) -> None:
    made = [await ingested(intake, work, an_item(camera_id=f"c{n % 3}")) for n in range(11)]
    seen, cursor = [], None
    while True:
        page, cursor = await items.page("video", cursor=cursor, limit=3)
        seen += [item.id for item in page]
        if cursor is None:
            break
    assert seen == sorted((item.id for item in made), reverse=True)
    by_camera, _ = await items.page("video", camera_id="c1")
    assert {item.camera_id for item in by_camera} == {"c1"}
    assert len(by_camera) == 4


async def test_pages_are_filtered_by_time_status_and_tags(intake: Intake, work: Work, items: Items) -> None:
    early = await ingested(intake, work, an_item(captured_at_ms=1000, tags={"a": "1"}))
    late = await ingested(intake, work, an_item(captured_at_ms=2000, tags={"a": "1", "b": "2"}))
    await intake.accept(an_item(captured_at_ms=None), idempotency=None)

    async def ids(**wanted: object) -> list[str]:
        return [item.id for item in (await items.page("video", **wanted))[0]]  # type: ignore[arg-type]

    assert await ids(from_ms=1000, to_ms=2000) == [early.id]
    assert await ids(from_ms=0) == [late.id, early.id]
    assert await ids(tags={"a": "1", "b": "2"}) == [late.id]
    assert len(await ids(status="queued")) == 1
    assert await items.page("image") == ([], None)


async def test_retagging_reaches_item_and_tracks(intake: Intake, work: Work, items: Items) -> None:
    item = await ingested(intake, work, tracks=2)
    assert await items.retag(item.id, {"new": "tag"}) == 4
    assert (await items.get(item.id)).tags == {"new": "tag"}
    assert [track.tags for track in await items.tracks(item.id)] == [{"new": "tag"}] * 2
    with pytest.raises(NotFound):
        await items.retag("0" * 32, {})


async def test_spaces_do_not_mix(redis: Redis) -> None:
    spaces = Spaces(redis)
    other = Space.from_json(SPACE.to_json().replace("0123456789abcdef", "fedcba9876543210"))
    with pytest.raises(SpaceMismatch, match="new-space"):
        await spaces.register(other, activate_new=False)
    assert await spaces.active() == SPACE
    await spaces.register(other, activate_new=True)
    assert await spaces.active() == other
    await redis.flushall()
    with pytest.raises(NoSpace):
        await spaces.active()


async def test_secrets_of_keys_are_nowhere(redis: Redis) -> None:
    keys = ApiKeys(redis)
    assert not await keys.any()
    key, token = await keys.create("door", ["query"])
    verified = await keys.verify(token)
    assert verified == key
    assert verified.allows("query")
    assert not verified.allows("ingest")
    for wrong in ("", token[:-1], token + "x", "vills__", f"vills_{key.id}_"):
        assert await keys.verify(wrong) is None
    secret = token.rsplit("_", 1)[-1].encode()
    for name in await all_keys(redis):
        assert secret not in name.encode()
        assert secret not in (await redis.dump(name) or b"")
    assert await keys.revoke(key.id)
    assert await keys.verify(token) is None
    with pytest.raises(ValueError, match="fly"):
        await keys.create("x", ["fly"])


async def test_a_store_that_is_not_there_says_so(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.records.connection._ping.retry.stop", lambda state: True)
    with pytest.raises(StoreUnavailable):
        await connect(f"unix://{tmp_path}/nobody.sock")


async def test_durability_is_told(redis: Redis) -> None:
    assert (await durability(redis)).durable
    await redis.config_set("appendfsync", "everysec")
    assert "appendfsync" in (await durability(redis)).reason
    await redis.config_set("appendfsync", "always")
