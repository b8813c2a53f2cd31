"""Two workers and one job: whoever comes late changes nothing."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from index.errors import JobNotRetryable, NotFound
from index.records.erase import Erasure
from index.records.intake import Intake
from index.records.items import Items
from index.records.jobs import Jobs
from index.records.keys import GROUP, Keys
from index.records.log import Log
from index.records.spaces import Spaces
from index.records.work import Entry, Lease, Work
from tests.records.conftest import SPACE, a_track, an_item, begun, worker

PROBLEM: dict[str, Any] = {"code": "flaky", "detail": "it went wrong", "status": 500}


async def contents(redis: Redis) -> dict[bytes, bytes | None]:
    """Everything there is, but the pending lists of groups, which count deliveries, and what tells of changes."""
    keys = [key async for key in redis.scan_iter("*") if not key.endswith((b":ingest", b":query", b":events"))]
    return {key: await redis.dump(key) for key in keys}


@pytest.fixture
async def two_leases(redis: Redis, intake: Intake) -> tuple[Work, Lease, Work, Lease]:
    """A slow worker with its lease, and the one that took the job over from it."""
    slow, fast = worker(redis, "slow"), worker(redis, "fast")
    old = await begun(intake, slow)
    [entry] = await fast.take_over(1)
    new = await fast.begin(entry)
    assert new is not None
    return slow, old, fast, new


async def test_an_old_lease_changes_nothing_at_all(redis: Redis, two_leases: tuple[Work, Lease, Work, Lease]) -> None:
    slow, old, _, _ = two_leases
    before = await contents(redis)
    assert await slow.finish(old, [a_track()]) is None
    assert await slow.fail(old, PROBLEM, retry_in_s=0.0) is None
    assert await slow.fail(old, PROBLEM, retry_in_s=None) is None
    assert not await slow.renew(old)
    assert await contents(redis) == before


async def test_a_worker_that_slept_before_it_began_does_not_take_the_job_back(redis: Redis, intake: Intake) -> None:
    sleeper, other = worker(redis, "sleeper"), worker(redis, "other")
    await intake.accept(an_item(), idempotency=None)
    [entry] = await sleeper.take(1, 1000)
    [taken] = await other.take_over(1)
    lease = await other.begin(taken)
    assert lease is not None
    assert await sleeper.begin(entry) is None
    assert await other.renew(lease)
    assert (await Jobs(redis, SPACE.id).get(entry.job_id)).attempts == 1
    assert await other.finish(lease, [a_track()]) == 1
    assert await sleeper.begin(entry) is None


async def test_a_finish_before_the_next_one_began_counts(redis: Redis, intake: Intake, items: Items) -> None:
    slow, other = worker(redis, "slow"), worker(redis, "other")
    lease = await begun(intake, slow)
    [entry] = await other.take_over(1)
    assert await slow.finish(lease, [a_track()]) == 1
    assert await other.begin(entry) is None
    assert (await items.statistics()).count == 1


async def test_a_lease_that_was_buried_cannot_end_the_job_again(redis: Redis, intake: Intake) -> None:
    last = worker(redis, "last", max_attempts=1)
    lease = await begun(intake, last)
    other = worker(redis, "other", max_attempts=1)
    [entry] = await other.take_over(1)
    assert await other.begin(entry) is None
    assert await last.fail(lease, PROBLEM, retry_in_s=None) is None
    job = await Jobs(redis, SPACE.id).get(entry.job_id)
    assert job.error is not None
    assert job.error["code"] == "attempts_exhausted"


@pytest.mark.parametrize("retry_in_s", [None, 60.0])
async def test_a_failure_told_twice_gives_the_same_answer(
    redis: Redis, intake: Intake, work: Work, retry_in_s: float | None
) -> None:
    lease = await begun(intake, work)
    first = await work.fail(lease, PROBLEM, retry_in_s=retry_in_s)
    updated = (await Jobs(redis, SPACE.id).get(lease.item.id)).updated_ms
    assert await work.fail(lease, PROBLEM, retry_in_s=retry_in_s) == first
    assert (await Jobs(redis, SPACE.id).get(lease.item.id)).updated_ms == updated


async def test_what_a_dead_worker_left_is_found_behind_the_jobs_of_busy_ones(redis: Redis, intake: Intake) -> None:
    """The server looks at ten entries for each one asked for; the eleventh was never taken over."""
    busy, other = worker(redis, "busy", lease_s=30), worker(redis, "other", lease_s=30)
    for _ in range(30):
        await intake.accept(an_item(), idempotency=None)
    entries = await busy.take(30, 1000)
    await redis.xclaim(Keys(SPACE.id).of("INGEST"), GROUP, "dead", 0, [entries[-1].entry_id], idle=60_000, justid=True)
    assert await other.take_over(1) == [entries[-1]]
    assert await other.take_over(1) == []


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["take", "take_over", "begin", "renew", "finish", "fail", "bury", "wake", "retry", "erase"]),
        st.integers(0, 1),
    ),
    max_size=25,
)


class OneItem:
    """One upload, two workers that do anything in any order, and what must hold whatever they do."""

    def __init__(self, redis: Redis, item_id: str) -> None:
        self.redis = redis
        self.item_id = item_id
        self.workers = [worker(redis, "zero"), worker(redis, "one")]
        self.entries: list[list[Entry]] = [[], []]
        self.leases: list[Lease | None] = [None, None]
        self.newest: Lease | None = None  # the only one that may write, unless the item is erased
        self.finished_by: Lease | None = None
        self.erased = False

    async def make(self, move: str, who: int) -> None:
        consumer = self.workers[who]
        match move:
            case "take":
                self.entries[who] += await consumer.take(1, 1)
            case "take_over":
                self.entries[who] += await consumer.take_over(1)
            case "begin" if self.entries[who]:
                begun_now = await consumer.begin(self.entries[who].pop())
                if begun_now is not None:
                    self.leases[who] = self.newest = begun_now
            case "wake":
                await consumer.wake_retries()
            case "retry" if not self.erased:
                with suppress(JobNotRetryable):
                    await Jobs(self.redis, SPACE.id).retry(self.item_id)
            case "erase" if not self.erased:
                await Erasure(self.redis, SPACE.id).erase_item(self.item_id, "video")
                self.erased = True
            case "renew" | "finish" | "fail" | "bury" if lease := self.leases[who]:
                await self.use(lease, move, consumer)

    async def use(self, lease: Lease, move: str, consumer: Work) -> None:
        if move == "renew":
            assert not await consumer.renew(lease) or lease is self.newest
        elif move == "finish":
            self.note_finished(lease, await consumer.finish(lease, [a_track(0), a_track(1)]))
        else:
            state = await consumer.fail(lease, PROBLEM, retry_in_s=0.0 if move == "fail" else None)
            assert state is None or (not self.erased and self.finished_by is None)

    def note_finished(self, lease: Lease, version: int | None) -> None:
        if version is None:
            return
        assert not self.erased
        assert self.finished_by in (None, lease)
        self.finished_by = lease

    async def check(self) -> None:
        items, log = Items(self.redis, SPACE.id), Log(self.redis, SPACE.id)
        statistics = await items.statistics()
        assert statistics.count == (2 if self.finished_by and not self.erased else 0)
        entries = await log.read(0, 100, 1)
        assert [entry.seq for entry in entries] == list(range(1, statistics.seq + 1))
        added, removed = (sum(entry.operation == kind for entry in entries) for kind in ("add", "remove"))
        assert (added, removed) == (2 if self.finished_by else 0, 2 if self.finished_by and self.erased else 0)
        if self.erased:
            with pytest.raises(NotFound):
                await items.get(self.item_id)
            assert await self.redis.xlen(Keys(SPACE.id).of("INGEST")) == 0


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=MOVES)
async def test_whatever_two_workers_do_there_is_at_most_one_set_of_tracks(
    redis: Redis, moves: list[tuple[str, int]]
) -> None:
    await redis.flushall()
    await Spaces(redis).register(SPACE, activate_new=False)
    item = an_item()
    await Intake(redis, SPACE.id).accept(item, idempotency=None)
    play = OneItem(redis, item.id)
    for move, who in moves:
        await play.make(move, who)
    await play.check()
