"""Queries on their way: to a worker, to another one when that dies, and the answer back."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from index.entries import Filter
from index.records.connection import connect, server_time_ms
from index.records.ids import new_id
from index.records.intake import Intake
from index.records.keys import EVENTS, GROUP, REPLIES, Keys
from index.records.log import Log
from index.records.queries import Answer, Queries, QueryTask
from index.records.replies import Event, Replies, Reply
from index.records.scripting import Scripts
from index.records.spaces import Spaces
from index.records.work import Work
from service.local.valkey import EmbeddedStore
from tests.records.conftest import SPACE, ingested, worker

API = "api-test-1"
FILTER = Filter("video", ("gate", "yard"), 1, 2, (("site", "north"),), ("a",), ("b",))
STREAM = Keys(SPACE.id).of("QUERY")


@pytest.fixture
def queries(redis: Redis) -> Queries:
    return Queries(redis, SPACE.id)


async def a_task(redis: Redis, *, left_ms: int = 60_000, **changes: Any) -> QueryTask:
    now = await server_time_ms(redis)
    task = QueryTask(new_id(), API, "queries/x.npy", [8, 3], [1, 1], None, 10, Filter(), None, None, now + left_ms)
    return replace(task, **changes)


@asynccontextmanager
async def reader(redis: Redis, process: str = API) -> AsyncIterator[Callable[[], Any]]:
    """A running reader of an api process, and a way to wait for its next message."""
    messages: asyncio.Queue[Reply | Event] = asyncio.Queue()
    task = asyncio.create_task(Replies(redis, process).run(messages.put_nowait))

    async def next_message() -> Reply | Event:
        async with asyncio.timeout(5):
            return await messages.get()

    # It hears events from its start on; so one is sent until it is heard, and then the last one is waited for.
    sent = 0
    async with asyncio.timeout(5):
        while messages.empty():
            sent += 1
            await Log(redis, SPACE.id).announce(sent, "hello")
            await asyncio.sleep(0)
    while await next_message() != Event("applied", "hello", str(sent)):
        pass
    try:
        yield next_message
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def next_reply(next_message: Callable[[], Any]) -> Reply:
    while True:
        message = await next_message()
        if isinstance(message, Reply):
            return message


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"crops": None, "lengths": [], "groups": [], "vector": b"\x00\xff<\n"},
        {"filter": FILTER, "min_score": 0.25, "min_version": 7},
    ],
)
async def test_a_query_arrives_as_it_was_sent(redis: Redis, queries: Queries, changes: dict[str, Any]) -> None:
    task = await a_task(redis, **changes)
    entry_id = await queries.submit(task)
    assert await queries.take("one", 10, 1000) == [(entry_id, task)]
    assert await queries.take("two", 10, 1) == []


async def test_an_answer_comes_back_and_leaves_nothing(redis: Redis, queries: Queries) -> None:
    async with reader(redis) as next_message:
        tasks = [await a_task(redis) for _ in range(3)]
        for task in tasks:
            await queries.submit(task)
        taken = await queries.take("one", 10, 1000)
        await queries.answer([Answer(entry_id, API, task.id, {"ok": True, "n": task.id}) for entry_id, task in taken])
        replies = [await next_reply(next_message) for _ in taken]
        assert replies == [Reply(task.id, {"ok": True, "n": task.id}) for task in tasks]
    assert 0 < await redis.ttl(REPLIES + API) <= 60
    assert await redis.xlen(STREAM) == 0
    assert (await redis.xpending(STREAM, GROUP))["pending"] == 0
    await queries.answer([])


async def test_answers_nobody_reads_go_by_themselves(redis: Redis, queries: Queries) -> None:
    entry_id = await queries.submit(await a_task(redis, reply_to="api-gone"))
    await queries.answer([Answer(entry_id, "api-gone", "q", {})])
    assert 0 < await redis.ttl(REPLIES + "api-gone") <= 60


async def test_a_query_of_a_dead_worker_is_answered_by_another(redis: Redis, queries: Queries) -> None:
    task = await a_task(redis)
    entry_id = await queries.submit(task)
    await queries.take("dead", 10, 1000)
    assert await queries.take_over("other", 10, idle_s=60) == []
    assert await queries.take_over("other", 10, idle_s=0) == [(entry_id, task)]


async def test_a_query_past_its_deadline_is_dropped_when_taken_over(redis: Redis, queries: Queries) -> None:
    late, task = await a_task(redis, left_ms=-1), await a_task(redis)
    for each in (late, task):
        await queries.submit(each)
    await queries.take("dead", 10, 1000)
    assert [kept for _, kept in await queries.take_over("other", 10, idle_s=0)] == [task]
    assert await redis.xlen(STREAM) == 1


@pytest.mark.parametrize("taken", [False, True])
async def test_a_query_nobody_waits_for_is_taken_back(redis: Redis, queries: Queries, taken: bool) -> None:
    entry_id = await queries.submit(await a_task(redis))
    if taken:
        await queries.take("one", 1, 1000)
    await queries.forget(entry_id)
    assert await queries.take("two", 1, 1) == []
    assert await queries.take_over("two", 1, idle_s=0) == []
    assert await redis.xlen(STREAM) == 0


async def test_a_query_waits_for_no_disk(redis: Redis, queries: Queries) -> None:
    """Every write of a query once went to disk, four in a row, and an upload's writes waited behind them."""
    await queries.submit(await a_task(redis))
    [(entry_id, task)] = await queries.take("one", 1, 1000)  # the scripts are known to the server from here on
    before = (await redis.info("persistence"))["aof_current_size"]
    assert await queries.reserve(task.id, limit=1, ttl_s=60)
    given_up = await queries.submit(await a_task(redis))
    await queries.answer([Answer(entry_id, API, task.id, {"ok": True})])
    await queries.forget(given_up)
    await queries.release(task.id)
    assert (await redis.info("persistence"))["aof_current_size"] == before


async def test_a_store_that_starts_again_holds_no_query(tmp_path: Path) -> None:
    for first_life in (True, False):
        with EmbeddedStore(tmp_path, restart=False) as store:
            connection = await connect(store.url)
            queries = Queries(connection, SPACE.id)
            if first_life:
                await Spaces(connection).register(SPACE, activate_new=False)
                await queries.submit(await a_task(connection))
                assert len(await queries.take("one", 1, 1000)) == 1
                await queries.submit(await a_task(connection))
                assert await queries.reserve("slot", limit=1, ttl_s=60)
            else:
                assert await queries_held(connection) == (0, 0)
                assert await queries.take("one", 1, 1) == []
                assert await queries.reserve("slot of another", limit=1, ttl_s=60)
                entry_id = await queries.submit(await a_task(connection))
                assert [taken for taken, _ in await queries.take("one", 1, 1000)] == [entry_id]
            await connection.aclose()


async def queries_held(redis: Redis) -> tuple[int, int]:
    """Queries in the stream, and those that some worker holds."""
    return await redis.xlen(STREAM), (await redis.xpending(STREAM, GROUP))["pending"]


async def test_queries_have_slots_of_their_own(queries: Queries, intake: Intake) -> None:
    assert await intake.reserve("upload", limit=1, ttl_s=60)
    assert await queries.reserve("query", limit=1, ttl_s=60)
    assert not await queries.reserve("next", limit=1, ttl_s=60)
    await queries.release("query")
    assert await queries.reserve("next", limit=1, ttl_s=60)


async def test_a_job_tells_what_becomes_of_it(redis: Redis, intake: Intake, work: Work) -> None:
    async with reader(redis) as next_message:
        item = await ingested(intake, work)
        await Log(redis, SPACE.id).announce(1, "worker-1")
        heard = [await next_message() for _ in range(3)]
    assert heard == [
        Event("job", item.id, "running"),
        Event("job", item.id, "done"),
        Event("applied", "worker-1", "1"),
    ]


async def test_one_bad_message_does_not_keep_the_next_from_arriving(
    redis: Redis, queries: Queries, caplog: pytest.LogCaptureFixture
) -> None:
    async with reader(redis) as next_message:
        await redis.xadd(REPLIES + API, {"answer": b"no JSON"})
        await redis.xadd(EVENTS, {"kind": "of another version"})
        entry_id = await queries.submit(await a_task(redis))
        with caplog.at_level(logging.CRITICAL):
            await queries.answer([Answer(entry_id, API, "q", {"ok": True})])
            assert await next_reply(next_message) == Reply("q", {"ok": True})


async def test_names_of_gone_workers_are_dropped_unless_they_hold_something(redis: Redis, queries: Queries) -> None:
    await queries.submit(await a_task(redis))
    assert len(await queries.take("holds", 1, 1000)) == 1
    await queries.take("empty", 1, 1)
    await worker(redis, "empty").take(1, 1)
    scripts = Scripts(redis, Keys(SPACE.id))
    assert await scripts.run("forget", 3_600_000) == 0
    assert await scripts.run("forget", 0) == 2
    assert [each["name"] for each in await redis.xinfo_consumers(STREAM, GROUP)] == [b"holds"]
    assert len(await queries.take_over("other", 1, idle_s=0)) == 1


async def test_a_query_that_cannot_be_read_does_not_end_the_worker(redis: Redis, queries: Queries) -> None:
    """An entry of another release once ended every worker that took it, one after the other."""
    for fields in ({"task": b"{}"}, {"task": b"not json"}, {"other": b"1"}):
        await redis.xadd(STREAM, fields)  # type: ignore[arg-type]
    task = await a_task(redis)
    await queries.submit(task)
    assert [taken.id for _, taken in await queries.take("one", 10, 1000)] == [task.id]
    assert await redis.xlen(STREAM) == 1
