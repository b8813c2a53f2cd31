"""Erasing an item at every point of its job's life."""

import pytest
from redis.asyncio import Redis

from index.errors import NotFound
from index.records.erase import PLACES, Erasure
from index.records.intake import Idempotency, Intake
from index.records.items import Items
from index.records.jobs import Jobs
from index.records.keys import EVENTS, Keys
from index.records.work import Lease, Work
from tests.records.conftest import SPACE, a_track, all_keys, an_item, begun, ingested

KEY = Idempotency("client", "once", "hash")
VECTOR = b"a vector"


@pytest.mark.parametrize("moment", ["queued", "taken", "running", "retrying", "dead", "done"])
async def test_an_erased_item_leaves_nothing_and_never_comes_back(
    redis: Redis, intake: Intake, work: Work, items: Items, moment: str
) -> None:
    item, entry, lease = an_item(), None, None
    await intake.reserve(item.id, limit=10, ttl_s=60)
    await intake.accept(item, idempotency=KEY)
    if moment != "queued":
        [entry] = await work.take(1, 1000)
    if entry is not None and moment != "taken":
        lease = await work.begin(entry)
        assert lease is not None
        await _bring_to(moment, work, lease)

    job = await Erasure(redis, SPACE.id).erase_item(item.id, "video")

    assert job.proof == PLACES
    if lease is not None:
        assert not await work.renew(lease)
        assert await work.finish(lease, [a_track()]) is None
        assert await work.fail(lease, {}, retry_in_s=0.0) is None
    if entry is not None:
        assert await work.begin(entry) is None
    assert await work.wake_retries() is None
    assert await work.take(1, 1) == []
    assert (await items.statistics()).count == 0
    with pytest.raises(NotFound):
        await items.get(item.id)
    await _assert_forgotten(redis, item.id, job.id)


async def _assert_forgotten(redis: Redis, item_id: str, erasure_id: str) -> None:
    """Only the proof, and the job as cancelled, still name the item; what was in it is in the log until that is cut."""
    keys = Keys(SPACE.id)
    named = {key for key in await all_keys(redis) if item_id in key}
    assert named <= {keys.of("JOB", item_id)}
    may_name = {
        keys.of("JOB", item_id),  # for a week
        keys.of("JOBS", "cancelled"),
        keys.of("JOB", erasure_id),
        keys.of("LOG"),
        EVENTS,
    }
    for key in await all_keys(redis):
        content = await redis.dump(key) or b""
        assert item_id.encode() not in content or key in may_name, key
        for secret in (VECTOR, b"walk.mp4", b"gate", b"north"):
            assert secret not in content or key == keys.of("LOG"), key


async def _bring_to(moment: str, work: Work, lease: Lease) -> None:
    if moment == "done":
        await work.finish(lease, [a_track(0, VECTOR), a_track(1, VECTOR)])
    elif moment in ("retrying", "dead"):
        await work.fail(lease, {"code": "x"}, retry_in_s=60.0 if moment == "retrying" else None)


async def test_a_proof_is_complete_when_every_place_is(redis: Redis, intake: Intake, work: Work) -> None:
    erasure, jobs = Erasure(redis, SPACE.id), Jobs(redis, SPACE.id)
    item = await ingested(intake, work)
    job = await erasure.erase_item(item.id, "video")
    [open_one] = await erasure.open()
    assert (open_one.job_id, open_one.item_id, open_one.seq) == (job.id, item.id, 2)
    for place in open_one.pending:
        assert (await jobs.get(job.id)).state == "running"
        await erasure.mark(job.id, place)
    assert (await jobs.get(job.id)).state == "done"
    assert await erasure.open() == []
    with pytest.raises(NotFound):
        await erasure.mark(job.id, "moon")


async def test_cancelling_a_job_erases_its_item(redis: Redis, intake: Intake, work: Work, items: Items) -> None:
    lease = await begun(intake, work)
    job = await Jobs(redis, SPACE.id).cancel(lease.item.id)
    assert job.kind == "erase"
    assert (await Jobs(redis, SPACE.id).get(lease.item.id)).state == "cancelled"
    assert await work.finish(lease, [a_track()]) is None
    with pytest.raises(NotFound):
        await items.get(lease.item.id)


async def test_what_is_not_there_cannot_be_erased(redis: Redis, intake: Intake, work: Work) -> None:
    item = await ingested(intake, work)
    with pytest.raises(NotFound):
        await Erasure(redis, SPACE.id).erase_item(item.id, "image")
    with pytest.raises(NotFound):
        await Erasure(redis, SPACE.id).erase_item("f" * 32, "video")
