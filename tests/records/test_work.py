"""Leases, attempts, retries and dead letters."""

import asyncio

import pytest
from redis.asyncio import Redis

from index.errors import JobNotRetryable, NotFound
from index.records.intake import Intake
from index.records.items import Items
from index.records.jobs import Jobs
from index.records.keys import Keys
from index.records.work import Work
from tests.records.conftest import SPACE, a_track, an_item, begun, ingested, worker

PROBLEM = {"code": "flaky", "detail": "it went wrong", "status": 500}


async def test_finishing_writes_everything_of_an_item_at_once(
    redis: Redis, intake: Intake, work: Work, items: Items
) -> None:
    item = await ingested(intake, work, tracks=3)
    stored = await items.get(item.id)
    assert (stored.status, stored.n_tracks, stored.gallery_version) == ("ready", 3, 3)
    assert [track.seq for track in await items.tracks(item.id)] == [1, 2, 3]
    assert (await Jobs(redis, SPACE.id).get(item.id)).state == "done"
    statistics = await items.statistics()
    assert (statistics.seq, statistics.count, statistics.videos, statistics.images) == (3, 3, 3, 0)
    assert await redis.xlen(Keys(SPACE.id).of("INGEST")) == 0
    assert await redis.zcard(Keys(SPACE.id).of("SLOTS", "ingest")) == 0


async def test_a_worker_that_was_only_slow_writes_nothing(redis: Redis, intake: Intake, items: Items) -> None:
    slow, fast = worker(redis, "slow"), worker(redis, "fast")
    held = await begun(intake, slow)
    [entry] = await fast.take_over(10)
    taken = await fast.begin(entry)
    assert taken is not None
    assert taken.token == held.token + 1
    assert not await slow.renew(held)
    assert await slow.finish(held, [a_track()]) is None
    assert await slow.fail(held, PROBLEM, retry_in_s=None) is None
    assert (await items.statistics()).count == 0
    assert await fast.renew(taken)
    assert await fast.finish(taken, [a_track()]) == 1
    assert await slow.finish(held, [a_track()]) is None
    assert (await items.statistics()).count == 1


async def test_a_renewed_lease_cannot_be_taken_over(redis: Redis, intake: Intake) -> None:
    holder, other = worker(redis, "holder", lease_s=30.0), worker(redis, "other", lease_s=30.0)
    lease = await begun(intake, holder)
    assert await holder.renew(lease)
    assert await other.take_over(10) == []


async def test_finishing_twice_gives_the_same_answer_and_one_set_of_tracks(
    intake: Intake, work: Work, items: Items
) -> None:
    """A finish whose answer was lost is sent again; it once counted the tracks twice."""
    lease = await begun(intake, work)
    first = await work.finish(lease, [a_track()])
    assert await work.finish(lease, [a_track()]) == first
    assert (await items.statistics()).count == 1


async def test_attempts_are_counted_before_the_work_and_end_in_a_dead_letter(redis: Redis, intake: Intake) -> None:
    await intake.accept(an_item(), idempotency=None)
    consumer = worker(redis, "crasher", max_attempts=3)
    [entry] = await consumer.take(1, 1000)
    for attempt in (1, 2, 3):  # each time the worker dies without a word
        lease = await consumer.begin(entry)
        assert lease is not None
        assert lease.attempt == attempt
        [entry] = await consumer.take_over(10)
    assert await consumer.begin(entry) is None
    job = await Jobs(redis, SPACE.id).get(entry.job_id)
    assert job.state == "dead"
    assert job.error is not None
    assert job.error["code"] == "attempts_exhausted"
    assert await redis.zcard(Keys(SPACE.id).of("SLOTS", "ingest")) == 0


async def test_a_failed_attempt_waits_for_its_time_and_comes_back(redis: Redis, intake: Intake, work: Work) -> None:
    lease = await begun(intake, work)
    assert await work.fail(lease, PROBLEM, retry_in_s=3600) == "retrying"
    due = await work.wake_retries()
    assert due is not None
    assert 3590 < due <= 3600
    assert await work.take(1, 1) == []
    await redis.zadd(Keys(SPACE.id).of("RETRY"), {lease.item.id: 1})
    assert await work.wake_retries() is None
    [entry] = await work.take(1, 1000)
    again = await work.begin(entry)
    assert again is not None
    assert (again.attempt, again.token) == (2, 2)


async def test_a_dead_job_can_be_retried_by_hand_unless_its_media_are_gone(
    redis: Redis, intake: Intake, items: Items
) -> None:
    jobs, once = Jobs(redis, SPACE.id), worker(redis, "one", max_attempts=1)
    lease = await begun(intake, once)
    assert await once.fail(lease, PROBLEM, retry_in_s=1.0) == "dead"
    assert [job.id for job in (await jobs.page("dead"))[0]] == [lease.item.id]
    assert (await items.get(lease.item.id)).status == "failed"
    assert (await jobs.retry(lease.item.id)).state == "queued"
    [entry] = await once.take(1, 1000)
    again = await once.begin(entry)
    assert again is not None
    assert await once.fail(again, PROBLEM, retry_in_s=None) == "dead"
    with pytest.raises(JobNotRetryable, match="erased"):
        await jobs.retry(lease.item.id)
    with pytest.raises(NotFound):
        await jobs.retry("0" * 32)


async def test_a_blocking_read_does_not_hold_up_others(intake: Intake, work: Work) -> None:
    waiting = asyncio.create_task(work.take(1, 20_000))
    item = an_item()
    await intake.accept(item, idempotency=None)
    [entry] = await waiting
    assert entry.job_id == item.id
