"""Many callers on one connection: each gets its own answer, whatever becomes of the others."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from redis import exceptions
from redis.asyncio import Redis

from index.errors import StoreUnavailable
from index.records.connection import PromptConnection, connect
from index.records.items import Items
from index.records.queries import Queries
from index.records.shared_pipeline import SharedPipeline, shared_pipeline
from service.local.valkey import EmbeddedStore
from tests.records.conftest import SPACE


@pytest.fixture
def pipeline(redis: Redis) -> SharedPipeline:
    return SharedPipeline(redis)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many commands each message had."""
    counts: list[int] = []
    exchange = PromptConnection.exchange

    async def counting(self: PromptConnection, message: bytes, n_answers: int) -> list[Any]:
        counts.append(n_answers)
        return await exchange(self, message, n_answers)

    monkeypatch.setattr(PromptConnection, "exchange", counting)
    return counts


async def test_what_is_asked_in_one_turn_travels_together(pipeline: SharedPipeline, sent: list[int]) -> None:
    answers = await asyncio.gather(*(pipeline.ask(("ECHO", n), ("ECHO", f"{n} again")) for n in range(20)))
    assert answers == [[b"%d" % n, b"%d again" % n] for n in range(20)]
    assert sent == [40]


async def test_what_is_asked_while_answers_are_out_travels_together(pipeline: SharedPipeline, sent: list[int]) -> None:
    tasks = [asyncio.create_task(pipeline.ask(("ECHO", 0)))]
    while not sent:
        await asyncio.sleep(0)
    tasks += [asyncio.create_task(pipeline.ask(("ECHO", n))) for n in range(1, 5)]
    assert await asyncio.gather(*tasks) == [[b"%d" % n] for n in range(5)]
    assert sent == [1, 4]


async def test_a_refusal_is_for_its_own_caller(pipeline: SharedPipeline) -> None:
    await pipeline.ask(("SET", "text", "words"))
    wrong = ("HGET", "text", "field")
    answers = await asyncio.gather(
        pipeline.ask(("GET", "text")),
        pipeline.ask(("ECHO", 1), wrong, ("NOSUCH", 1), ("ECHO", 2)),
        pipeline.ask(("SET", "text", {})),  # type: ignore[arg-type]
        pipeline.ask(("GET", "text")),
        return_exceptions=True,
    )
    assert answers[0] == answers[3] == [b"words"]
    assert isinstance(answers[1], exceptions.ResponseError) and "WRONGTYPE" in str(answers[1])
    assert isinstance(answers[2], TypeError)
    assert await pipeline.ask() == []


@pytest.mark.parametrize("turns", range(6))
async def test_a_caller_that_leaves_takes_nobody_along(pipeline: SharedPipeline, turns: int) -> None:
    stays = [asyncio.create_task(pipeline.ask(("INCR", "n"), ("ECHO", n))) for n in range(2)]
    leaves = asyncio.create_task(pipeline.ask(("INCR", "n")))
    stays += [asyncio.create_task(pipeline.ask(("INCR", "n"), ("ECHO", n))) for n in range(2, 4)]
    for _ in range(turns):
        await asyncio.sleep(0)
    leaves.cancel()
    echoes = [echo for _, echo in await asyncio.gather(*stays)]
    assert echoes == [b"%d" % n for n in range(4)]
    assert await pipeline.ask(("GET", "n")) == [b"5" if turns else b"4"]  # before its first turn it asks nothing


async def test_a_lost_connection_is_everybodys_and_not_the_next_ones(pipeline: SharedPipeline) -> None:
    answers = await asyncio.gather(
        pipeline.ask(("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no")),
        pipeline.ask(("ECHO", 1)),
        return_exceptions=True,
    )
    assert all(isinstance(answer, exceptions.ConnectionError) for answer in answers)
    assert await pipeline.ask(("ECHO", 2)) == [b"2"]


async def test_a_store_that_went_away_is_unavailable_to_all_until_it_is_back(tmp_path: Path) -> None:
    with EmbeddedStore(tmp_path, restart=False) as store:
        connection = await connect(store.url)
        queries, items = Queries(connection, SPACE.id), Items(connection, SPACE.id)
        assert await queries.reserve("q", limit=2, ttl_s=60)
    answers = await asyncio.gather(
        queries.reserve("r", limit=2, ttl_s=60), items.many_tracks(["t"]), queries.release("q"), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 3
    with EmbeddedStore(tmp_path, restart=False):
        assert await items.many_tracks(["t"]) == [None]
    await connection.aclose()


async def test_a_script_the_store_forgot_is_told_again(redis: Redis, sent: list[int]) -> None:
    queries, items = Queries(redis, SPACE.id), Items(redis, SPACE.id)
    await redis.script_flush()
    tracks, *free = await asyncio.gather(
        items.many_tracks(["none", "neither"]),
        *(queries.reserve(f"q{n}", limit=2, ttl_s=60) for n in range(3)),
    )
    assert tracks == [None, None]
    assert free.count(True) == 2
    assert sent[0] == 5


async def test_an_event_loop_that_ends_leaves_nobody_waiting(store_url: str) -> None:
    async def end_at_once() -> asyncio.Task[list[Any]]:
        asking = asyncio.create_task(shared_pipeline(await connect(store_url)).ask(("ECHO", 1)))
        await asyncio.sleep(0)
        return asking

    assert (await asyncio.to_thread(asyncio.run, end_at_once())).cancelled()


async def test_all_who_use_a_client_share_its_pipeline(redis: Redis, store_url: str) -> None:
    assert shared_pipeline(redis) is shared_pipeline(redis)
    other = await connect(store_url)
    assert shared_pipeline(other) is not shared_pipeline(redis)
    await other.aclose()
