"""Lists, page by page; and the records that expire."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from index.records import items as items_module
from index.records.erase import Erasure
from index.records.ids import new_id
from index.records.intake import Idempotency, Intake
from index.records.items import Item, Items
from index.records.jobs import Jobs
from index.records.keys import Keys
from index.records.processes import Processes, ProcessReport
from index.records.queues import queue_figures
from index.records.spaces import Spaces
from index.records.work import Work
from tests.records.conftest import SPACE, all_keys, an_item, begun, ingested, worker

WEEK_S = 7 * 24 * 3600
KEY = Idempotency("client", "once", "hash")


async def all_pages(items: Items, limit: int, **wanted: object) -> list[Item]:
    """Everything that matches, by following the cursors."""
    found: list[Item] = []
    cursor: str | None = None
    while True:
        page, cursor = await items.page("video", cursor=cursor, limit=limit, **wanted)  # type: ignore[arg-type]
        assert len(page) <= limit
        found += page
        if cursor is None:
            return found


UPLOADS = st.lists(
    st.tuples(st.sampled_from(["gate", "yard", None]), st.one_of(st.none(), st.integers(0, 5)), st.booleans()),
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    uploads=UPLOADS,
    limit=st.integers(1, 5),
    camera_id=st.sampled_from([None, "gate", "nowhere"]),
    times=st.tuples(st.none() | st.integers(0, 5), st.none() | st.integers(0, 5)),
    tagged=st.booleans(),
)
async def test_pages_together_are_what_matches_and_nothing_twice(
    redis: Redis,
    uploads: list[tuple[str | None, int | None, bool]],
    limit: int,
    camera_id: str | None,
    times: tuple[int | None, int | None],
    tagged: bool,
) -> None:
    await redis.flushall()
    await Spaces(redis).register(SPACE, activate_new=False)
    from_ms, to_ms = times
    expected: list[str] = []
    for camera, at, has_tag in uploads:
        item = an_item(camera_id=camera, captured_at_ms=at, tags={"a": "1"} if has_tag else {})
        await Intake(redis, SPACE.id).accept(item, idempotency=None)
        in_time = times == (None, None) or (
            at is not None and (from_ms is None or at >= from_ms) and (to_ms is None or at < to_ms)
        )
        if camera_id in (None, camera) and in_time and (has_tag or not tagged):
            expected.append(item.id)
    wanted = {"camera_id": camera_id, "from_ms": from_ms, "to_ms": to_ms, "tags": {"a": "1"} if tagged else None}
    found = await all_pages(Items(redis, SPACE.id), limit, **wanted)
    assert [item.id for item in found] == sorted(expected, reverse=True)


async def test_a_search_that_finds_little_is_bounded_and_goes_on_with_the_cursor(
    intake: Intake, items: Items, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items_module, "CHUNK", 2)
    monkeypatch.setattr(items_module, "MOST_SCANNED", 4)
    for n in range(10):
        await intake.accept(an_item(camera_id="first" if n == 0 else "gate"), idempotency=None)
    page, cursor = await items.page("video", camera_id="first", limit=3)
    assert page == []
    assert cursor is not None
    assert [item.camera_id for item in await all_pages(items, 3, camera_id="first")] == ["first"]


async def test_items_erased_between_two_pages_leave_no_gap(redis: Redis, intake: Intake, items: Items) -> None:
    made = [an_item() for _ in range(6)]
    for item in made:
        await intake.accept(item, idempotency=None)
    newest_first = sorted((item.id for item in made), reverse=True)
    page, cursor = await items.page("video", limit=2)
    await Erasure(redis, SPACE.id).erase_item(page[-1].id, "video")
    rest, _ = await items.page("video", cursor=cursor, limit=10)
    assert [item.id for item in rest] == newest_first[2:]


async def test_jobs_are_listed_by_state_and_page(redis: Redis, intake: Intake, work: Work) -> None:
    jobs = Jobs(redis, SPACE.id)
    done = [(await ingested(intake, work)).id for _ in range(3)]
    running = (await begun(intake, work)).item.id
    seen, cursor = [], None
    while True:
        page, cursor = await jobs.page(cursor=cursor, limit=2)
        seen += [job.id for job in page]
        if cursor is None:
            break
    assert seen == sorted([*done, running], reverse=True)
    assert [job.id for job in (await jobs.page("running"))[0]] == [running]
    assert [job.state for job in (await jobs.page("done"))[0]] == ["done"] * 3


async def test_jobs_that_ended_are_forgotten_after_a_week(redis: Redis, intake: Intake, work: Work) -> None:
    keys, jobs = Keys(SPACE.id), Jobs(redis, SPACE.id)
    item = await ingested(intake, work)
    failed = await begun(intake, work)
    await work.fail(failed, {"code": "x"}, retry_in_s=None)
    assert 0 < await redis.ttl(keys.of("JOB", item.id)) <= WEEK_S
    assert await redis.ttl(keys.of("JOB", failed.item.id)) == -1  # a dead letter waits for somebody
    erasure = await Erasure(redis, SPACE.id).erase_item(item.id, "video")
    assert await redis.ttl(keys.of("JOB", erasure.id)) == -1
    for place in erasure.proof or {}:
        await Erasure(redis, SPACE.id).mark(erasure.id, place)
    assert 0 < await redis.ttl(keys.of("JOB", erasure.id)) <= WEEK_S
    await redis.delete(keys.of("JOB", erasure.id))  # as time does
    assert await jobs.page("done") == ([], None)
    assert await redis.zcard(keys.of("JOBS", "done")) == 0


async def test_names_of_jobs_long_done_do_not_gather(redis: Redis, intake: Intake, work: Work) -> None:
    done = Keys(SPACE.id).of("JOBS", "done")
    long_ago = f"{int(new_id()[:12], 16) - 15 * 24 * 3600 * 1000:012x}" + "0" * 20
    await redis.zadd(done, {long_ago: 0})
    item = await ingested(intake, work)
    assert await redis.zrange(done, 0, -1) == [item.id.encode()]


async def test_a_key_counts_as_new_when_its_item_was_erased(redis: Redis, intake: Intake) -> None:
    first, second = an_item(), an_item()
    await intake.accept(first, idempotency=KEY)
    await Erasure(redis, SPACE.id).erase_item(first.id, "video")
    answer = await intake.accept(second, idempotency=Idempotency("client", "once", "another body"))
    assert (answer.item_id, answer.replayed) == (second.id, False)


async def test_erasing_spares_a_key_that_was_used_again_after_its_day(redis: Redis, intake: Intake) -> None:
    first, second = an_item(), an_item()
    await intake.accept(first, idempotency=KEY)
    key = Keys(SPACE.id).of("IDEMPOTENCY", "client:once")
    assert 0 < await redis.ttl(key) <= 24 * 3600
    await redis.delete(key)  # as time does
    await intake.accept(second, idempotency=KEY)
    await Erasure(redis, SPACE.id).erase_item(first.id, "video")
    assert (await intake.accept(an_item(), idempotency=KEY)).item_id == second.id


async def test_a_refused_upload_leaves_nothing(redis: Redis, intake: Intake) -> None:
    before = await all_keys(redis)
    assert await intake.reserve("upload", limit=1, ttl_s=60)
    await intake.release("upload")
    assert await all_keys(redis) == before


async def test_reports_live_as_long_as_their_process(redis: Redis) -> None:
    processes = Processes(redis)
    reports = [ProcessReport(name, "worker", SPACE.id, 7, 5, True, "vills_x 1\n", 9) for name in ("b", "a", "c")]
    for report in reports:
        await processes.publish(report, ttl_s=60)
    await processes.remove("c")
    await redis.delete("vills:process:b")  # as time does
    assert await processes.all() == [reports[1]]


async def test_figures_tell_how_long_the_oldest_waits(redis: Redis, intake: Intake, work: Work) -> None:
    lease = await begun(intake, work)
    await work.fail(lease, {"code": "x"}, retry_in_s=3600)
    dead = await begun(intake, worker(redis, "two"))
    await work.fail(dead, {"code": "x"}, retry_in_s=None)
    await redis.xadd(Keys(SPACE.id).of("QUERY"), {"task": b"{}"}, id="1-0")
    figures = await queue_figures(redis, SPACE.id)
    by_name = {queue.queue: queue for queue in figures.queues}
    assert (by_name["ingest"].items, by_name["ingest"].oldest_s) == (0, 0.0)
    assert by_name["query"].oldest_s > 3600
    assert (by_name["retry"].items, by_name["retry"].oldest_s) == (1, 0.0)  # not due yet
    assert figures.dead_letters == 1
