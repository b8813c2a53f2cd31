"""What the server may do to us: lose its disk, its memory, its scripts or itself."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from redis import exceptions
from redis.asyncio import Redis

from index.entries import Filter
from index.errors import NotDurable, StoreUnavailable
from index.records import scripting
from index.records.api_keys import ApiKeys
from index.records.connection import answered, connect, durability, server_time_ms
from index.records.erase import Erasure
from index.records.intake import Idempotency, Intake
from index.records.items import Items
from index.records.jobs import Jobs
from index.records.keys import Keys
from index.records.log import Log
from index.records.processes import Processes, ProcessReport
from index.records.queries import Answer, Queries, QueryTask
from index.records.queues import queue_figures
from index.records.replies import Replies
from index.records.scripting import Scripts
from index.records.spaces import Spaces
from index.records.work import Entry, Lease, Work
from service.local.valkey import EmbeddedStore
from tests.records.conftest import SPACE, a_track, all_keys, an_item, begun, ingested, worker

KEY = Idempotency("client", "once", "hash")
TASK = QueryTask("q", "api", None, [], [], b"", 1, Filter(), None, None, 0)
ENTRY = Entry("1-0", "0" * 32)
LEASE = Lease(ENTRY, 1, 1, an_item())
REPORT = ProcessReport("w", "worker", SPACE.id, 0, 0, True, "", 0)
Call = Callable[[Redis], Awaitable[object]]


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[Redis]:
    """A server of this test's own, which it may ill-treat."""
    with EmbeddedStore(tmp_path, restart=False) as store:
        redis = await connect(store.url)
        await Spaces(redis).register(SPACE, activate_new=False)
        yield redis
        await redis.aclose()


async def test_a_server_without_an_append_only_file_is_accepted_and_says_so_once(
    own: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    scripting._warn_once.cache_clear()
    await own.config_set("appendonly", "no")
    assert not (await durability(own)).durable
    assert "--appendonly yes" in (await durability(own)).reason
    with caplog.at_level(logging.WARNING, "index.records"):
        await ingested(Intake(own, SPACE.id), worker(own, "one"))
        await ingested(Intake(own, SPACE.id), worker(own, "one"))
    assert len([record for record in caplog.records if "not known to be on disk" in record.message]) == 1


def test_a_server_that_does_not_know_the_command_is_accepted(caplog: pytest.LogCaptureFixture) -> None:
    scripting._warn_once.cache_clear()
    scripting._check_on_disk(exceptions.ResponseError("unknown command 'WAITAOF', with args beginning with: '1'"))
    assert "WAITAOF" in caplog.text
    with pytest.raises(NotDurable, match="force unblock"):
        scripting._check_on_disk(exceptions.ResponseError("UNBLOCKED force unblock from blocking operation"))


async def test_what_is_not_on_disk_in_time_is_not_acknowledged(own: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripting, "ON_DISK_TIMEOUT_MS", 1)
    await own.config_set("appendfsync", "no")  # the server leaves it to the kernel, so it can confirm nothing
    with pytest.raises(NotDurable, match="1 ms"):
        await Intake(own, SPACE.id).accept(an_item(), idempotency=None)


async def test_a_replayed_answer_waits_for_the_disk_as_the_first_one_did(
    own: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection that asks again may have written nothing itself, and then WAITAOF would vouch for nothing."""
    monkeypatch.setattr(scripting, "ON_DISK_TIMEOUT_MS", 1)
    await own.config_set("appendfsync", "no")
    intake, work = Intake(own, SPACE.id), worker(own, "one")
    for _ in range(2):
        await own.connection_pool.disconnect()
        with pytest.raises(NotDurable):
            await intake.accept(an_item(), idempotency=KEY)
    [entry] = await work.take(1, 1000)
    lease = await work.begin(entry)
    assert lease is not None
    for _ in range(2):
        await own.connection_pool.disconnect()
        with pytest.raises(NotDurable):
            await work.finish(lease, [a_track()])
    assert (await Items(own, SPACE.id).statistics()).count == 1


async def test_a_server_out_of_memory_refuses_whole_scripts_and_still_erases(own: Redis) -> None:
    intake, work, items = Intake(own, SPACE.id), worker(own, "one"), Items(own, SPACE.id)
    item = await ingested(intake, work)
    lease = await begun(intake, work)
    await own.config_set("maxmemory", "1")
    before, statistics = await all_keys(own), await items.statistics()
    with pytest.raises(StoreUnavailable):
        await intake.accept(an_item(), idempotency=None)
    with pytest.raises(StoreUnavailable):
        await work.finish(lease, [a_track()])
    assert (await all_keys(own), await items.statistics()) == (before, statistics)
    assert await work.renew(lease)
    await Erasure(own, SPACE.id).erase_item(item.id, "video")
    assert (await items.statistics()).count == 0
    await own.config_set("maxmemory", "0")
    assert await work.finish(lease, [a_track()]) is not None


async def test_scripts_the_server_forgot_are_sent_again(redis: Redis, intake: Intake, work: Work) -> None:
    await redis.script_flush()
    await intake.accept(an_item(), idempotency=None)
    await redis.script_flush()
    assert await work.wake_retries() is None


async def test_a_mistake_in_a_script_is_not_taken_for_a_server_that_is_away(redis: Redis) -> None:
    with pytest.raises(exceptions.ResponseError):
        await Scripts(redis, Keys(SPACE.id)).run("reserve", "ingest", "holder", "no number", "1")


CALLS: dict[str, Call] = {
    "active": lambda redis: Spaces(redis).active(),
    "register": lambda redis: Spaces(redis).register(SPACE, activate_new=False),
    "reserve": lambda redis: Intake(redis, SPACE.id).reserve("a", limit=1, ttl_s=1),
    "release": lambda redis: Intake(redis, SPACE.id).release("a"),
    "accept": lambda redis: Intake(redis, SPACE.id).accept(an_item(), idempotency=None),
    "item": lambda redis: Items(redis, SPACE.id).get("a"),
    "page": lambda redis: Items(redis, SPACE.id).page("video"),
    "many_tracks": lambda redis: Items(redis, SPACE.id).many_tracks(["a"]),
    "track": lambda redis: Items(redis, SPACE.id).track("a"),
    "retag": lambda redis: Items(redis, SPACE.id).retag("a", {}),
    "statistics": lambda redis: Items(redis, SPACE.id).statistics(),
    "job": lambda redis: Jobs(redis, SPACE.id).get("a"),
    "jobs": lambda redis: Jobs(redis, SPACE.id).page("dead"),
    "retry": lambda redis: Jobs(redis, SPACE.id).retry("a"),
    "cancel": lambda redis: Jobs(redis, SPACE.id).cancel("a"),
    "take": lambda redis: worker(redis, "w").take(1, 1000),
    "take_over": lambda redis: worker(redis, "w").take_over(1),
    "begin": lambda redis: worker(redis, "w").begin(ENTRY),
    "renew": lambda redis: worker(redis, "w").renew(LEASE),
    "finish": lambda redis: worker(redis, "w").finish(LEASE, [a_track()]),
    "fail": lambda redis: worker(redis, "w").fail(LEASE, {}, retry_in_s=None),
    "wake_retries": lambda redis: worker(redis, "w").wake_retries(),
    "submit": lambda redis: Queries(redis, SPACE.id).submit(TASK),
    "forget": lambda redis: Queries(redis, SPACE.id).forget("1-0"),
    "take_query": lambda redis: Queries(redis, SPACE.id).take("w", 1, 1000),
    "take_over_query": lambda redis: Queries(redis, SPACE.id).take_over("w", 1),
    "answer": lambda redis: Queries(redis, SPACE.id).answer([Answer("1-0", "api", "q", {})]),
    "replies": lambda redis: Replies(redis, "api").run(lambda _: None),
    "head": lambda redis: Log(redis, SPACE.id).head(),
    "read": lambda redis: Log(redis, SPACE.id).read(0, 1, 1000),
    "trim": lambda redis: Log(redis, SPACE.id).trim(0),
    "announce": lambda redis: Log(redis, SPACE.id).announce(0, "w"),
    "scan": lambda redis: anext(aiter(Log(redis, SPACE.id).scan_tracks())),
    "erase": lambda redis: Erasure(redis, SPACE.id).erase_item("a", "video"),
    "mark": lambda redis: Erasure(redis, SPACE.id).mark("a", "media"),
    "open": lambda redis: Erasure(redis, SPACE.id).open(),
    "create_key": lambda redis: ApiKeys(redis).create("a", ["query"]),
    "verify_key": lambda redis: ApiKeys(redis).verify("vills_a_b"),
    "publish": lambda redis: Processes(redis).publish(REPORT, ttl_s=1),
    "processes": lambda redis: Processes(redis).all(),
    "queue_figures": lambda redis: queue_figures(redis, SPACE.id),
    "time": server_time_ms,
    "durability": durability,
}


async def test_every_call_says_so_when_the_server_is_gone_and_works_when_it_is_back(tmp_path: Path) -> None:
    with EmbeddedStore(tmp_path, restart=False) as store:
        redis = await connect(store.url)
        await Spaces(redis).register(SPACE, activate_new=False)
        await asyncio.gather(*(server_time_ms(redis) for _ in range(4)))  # connections that will be cut
        reading = asyncio.ensure_future(Queries(redis, SPACE.id).take("w", 1, 5000))
        await asyncio.to_thread(store.stop)
        with pytest.raises(StoreUnavailable):
            await reading
        for name, call in CALLS.items():
            with pytest.raises(StoreUnavailable):
                await call(redis)
                pytest.fail(name)
    with EmbeddedStore(tmp_path, restart=False):
        assert await Spaces(redis).active() == SPACE
        assert (await Items(redis, SPACE.id).statistics()).count == 0
        await redis.aclose()


async def test_a_cancelled_task_lets_go_at_whatever_moment(redis: Redis) -> None:
    """On Python 3.11 redis-py forgot one cancellation in thirty, and the task went on reading for ever."""

    async def read_on() -> None:
        while True:
            await server_time_ms(redis)

    for moment in range(200):
        task = asyncio.create_task(read_on())
        for _ in range(moment % 40):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=5)
        assert done
        assert task.cancelled()


async def test_many_at_once_share_the_connections(redis: Redis) -> None:
    answers = await asyncio.gather(*(server_time_ms(redis) for _ in range(500)))
    assert len(answers) == 500


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ConnectionError("gone"),
        exceptions.TimeoutError("late"),
        exceptions.BusyLoadingError("loading"),
        exceptions.ReadOnlyError("replica"),
        exceptions.OutOfMemoryError("full"),
        exceptions.ResponseError("MISCONF Errors writing to the AOF file: No space left on device"),
        exceptions.ResponseError("NOREPLICAS Not enough good replicas to write."),
        TimeoutError(),
    ],
)
def test_all_ways_of_being_away_are_one(error: Exception) -> None:
    with pytest.raises(StoreUnavailable), answered():
        raise error
