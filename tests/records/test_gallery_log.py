"""Count, sum and log against a model, over any sequence of changes."""

import asyncio
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from index.entries import track_digest
from index.errors import LogGap
from index.records.erase import Erasure
from index.records.intake import Intake
from index.records.items import Items
from index.records.keys import Keys
from index.records.log import Log
from index.records.spaces import Spaces
from index.records.work import Work
from tests.records.conftest import SPACE, a_track, an_item, begun, ingested, worker

STEPS = st.lists(st.tuples(st.sampled_from(["add", "erase", "retag"]), st.integers(0, 2**32)), max_size=12)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_the_log_replays_to_what_the_records_hold(redis: Redis, steps: list[tuple[str, int]]) -> None:
    await redis.flushall()
    await Spaces(redis).register(SPACE, activate_new=False)
    items, log = Items(redis, SPACE.id), Log(redis, SPACE.id)
    present: dict[str, str] = {}
    for operation, seed in steps:
        draw = random.Random(seed)
        if operation == "add":
            kind = draw.choice(["video", "image"])
            lease = await begun(Intake(redis, SPACE.id), worker(redis, "one"), an_item(kind=kind))
            tracks = [a_track(ordinal, draw.randbytes(8)) for ordinal in range(draw.randrange(3))]
            assert await worker(redis, "one").finish(lease, tracks) is not None
            present[lease.item.id] = kind
        elif present:
            item_id = draw.choice(sorted(present))
            if operation == "erase":
                await Erasure(redis, SPACE.id).erase_item(item_id, present.pop(item_id))  # type: ignore[arg-type]
            else:
                await items.retag(item_id, {"seed": str(seed)})

    replayed: dict[str, tuple[bytes, dict[str, str]]] = {}
    entries = await log.read(0, 1000, 1) if await log.head() else []
    for entry in entries:
        if entry.operation == "remove":
            del replayed[entry.track_id]
        elif entry.operation == "update":
            replayed[entry.track_id] = (replayed[entry.track_id][0], dict(entry.tags))
        else:
            replayed[entry.track_id] = (entry.vector, dict(entry.tags))
        total = sum(track_digest(track_id, vector) for track_id, (vector, _) in replayed.items()) % 2**64
        assert (entry.count, entry.checksum) == (len(replayed), total)

    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    statistics = await items.statistics()
    assert statistics.seq == len(entries)
    assert statistics.videos + statistics.images == statistics.count == len(replayed)
    scanned = {entry.track_id: (entry.vector, dict(entry.tags)) async for entry in log.scan_tracks()}
    assert scanned == replayed


async def test_a_trimmed_log_is_a_gap_and_not_an_empty_answer(redis: Redis, intake: Intake, work: Work) -> None:
    log = Log(redis, SPACE.id)
    for _ in range(4):
        await ingested(intake, work)
    assert await log.trim(2) == 2
    assert [entry.seq for entry in await log.read(2, 10, 1)] == [3, 4]
    try:
        await log.read(0, 10, 1)
    except LogGap as gap:
        assert (gap.have, gap.got) == (0, 3)
    else:
        raise AssertionError("a reader at 0 must learn that 1 and 2 are gone")


async def test_entries_keep_their_numbers_after_everything_was_trimmed(
    redis: Redis, intake: Intake, work: Work
) -> None:
    log = Log(redis, SPACE.id)
    await ingested(intake, work)
    await log.trim(1)
    await ingested(intake, work)
    assert [entry.seq for entry in await log.read(1, 10, 1)] == [2]
    assert await redis.xlen(Keys(SPACE.id).of("LOG")) == 1


@pytest.mark.parametrize("after", [0, 5])
async def test_a_reader_that_stands_where_the_log_is_not_learns_it(
    redis: Redis, intake: Intake, work: Work, after: int
) -> None:
    """All that follows was trimmed; or the store came back with less than the index has applied."""
    log = Log(redis, SPACE.id)
    for _ in range(2):
        await ingested(intake, work)
    await log.trim(2)
    assert await log.read(2, 10, 1) == []
    with pytest.raises(LogGap) as gap:
        await log.read(after, 10, 1)
    assert (gap.value.have, gap.value.got) == (after, 2)


async def test_a_blocked_reader_is_woken_by_the_next_entry(redis: Redis, intake: Intake, work: Work) -> None:
    reading = asyncio.ensure_future(Log(redis, SPACE.id).read(0, 10, 5000))
    item = await ingested(intake, work)
    [entry] = await reading
    assert (entry.item_id, entry.kind, entry.camera_id, entry.tags) == (item.id, "video", "gate", {"site": "north"})
    assert (entry.start_ms, entry.end_ms) == (1_000_000, 1_001_000)


async def test_tags_set_during_the_work_are_those_of_the_tracks(
    redis: Redis, intake: Intake, work: Work, items: Items
) -> None:
    lease = await begun(intake, work)
    assert await items.retag(lease.item.id, {"late": "tag"}) == 0
    await work.finish(lease, [a_track()])
    [track] = await items.tracks(lease.item.id)
    [entry] = await Log(redis, SPACE.id).read(0, 10, 1)
    assert track.tags == entry.tags == {"late": "tag"}
