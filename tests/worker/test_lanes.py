"""The order of the waiting line, by its rules alone: no threads, no clock."""

from concurrent.futures import Future

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.worker.lanes import BatchPolicy, Lane, Lanes, Piece, Ticket


def ticket(
    items: list[int], lane: Lane = "query", bucket: int = 1, at: float = 0.0, deadline: float | None = None
) -> Ticket[int]:
    return Ticket(items, lane, bucket, Future[None](), queued_at=at, deadline=deadline)


def items_of(batch: list[Piece[int]]) -> list[int]:
    return [item for piece in batch for item in piece.items]


def test_batches_are_full_and_in_order() -> None:
    lanes: Lanes[int] = Lanes(BatchPolicy(batch_items=4))
    for number in range(6):
        lanes.put(ticket([2 * number, 2 * number + 1], at=number))
    batches = [items_of(lanes.take(10.0)[0]) for _ in range(4)]
    assert batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], []]


def test_a_request_larger_than_a_batch_is_spread_over_several() -> None:
    lanes: Lanes[int] = Lanes(BatchPolicy(batch_items=3))
    lanes.put(ticket(list(range(7))))
    assert [items_of(lanes.take(0.0)[0]) for _ in range(3)] == [[0, 1, 2], [3, 4, 5], [6]]


def test_buckets_never_mix_and_the_longest_waiting_leads() -> None:
    lanes: Lanes[int] = Lanes(BatchPolicy(batch_items=8))
    lanes.put(ticket([1], bucket=8, at=1.0))
    lanes.put(ticket([2], bucket=1, at=2.0))
    lanes.put(ticket([3], bucket=8, at=3.0))
    assert items_of(lanes.take(4.0)[0]) == [1, 3]
    assert items_of(lanes.take(4.0)[0]) == [2]


def test_queries_go_before_ingest() -> None:
    lanes: Lanes[int] = Lanes(BatchPolicy(batch_items=8))
    lanes.put(ticket([1], lane="ingest", at=1.0))
    lanes.put(ticket([2], at=2.0))
    assert items_of(lanes.take(3.0)[0]) == [2]
    assert items_of(lanes.take(3.0)[0]) == [1]


def test_a_batch_of_ingest_costs_no_more_than_a_full_one_of_pictures() -> None:
    lanes: Lanes[int] = Lanes(BatchPolicy(batch_items=32))
    lanes.put(ticket(list(range(20)), lane="ingest", bucket=8))
    assert len(items_of(lanes.take(0.0)[0])) == 4


def test_those_who_left_or_came_too_late_are_passed_over() -> None:
    lanes: Lanes[int] = Lanes(BatchPolicy(batch_items=8))
    left, late, there = ticket([1]), ticket([2], deadline=5.0), ticket([3], deadline=6.0)
    for each in (left, late, there):
        lanes.put(each)
    left.promise.cancel()  # type: ignore[attr-defined]
    batch, expired = lanes.take(5.0)
    assert items_of(batch) == [3]
    assert expired == [late]
    assert lanes.waiting() == 0


@given(
    batch_items=st.integers(1, 40),
    frames=st.integers(1, 16),
    clips=st.integers(1, 8),
    share=st.floats(0.1, 0.5),
)
def test_ingest_gets_its_share_under_a_flood_of_queries(
    batch_items: int, frames: int, clips: int, share: float
) -> None:
    lanes: Lanes[int] = Lanes(BatchPolicy(batch_items=batch_items, ingest_share=share))
    served = {"query": 0, "ingest": 0}
    for turn in range(400):
        while lanes.waiting() < 3 * batch_items + 2 * clips:
            lanes.put(ticket([0], at=turn))
            lanes.put(ticket([0] * clips, lane="ingest", bucket=frames, at=turn))
        for piece in lanes.take(turn)[0]:
            served[piece.ticket.lane] += len(piece.items)
    # It may be late by one batch, never short by more.
    assert served["ingest"] + 2 * batch_items >= share * sum(served.values())
    assert served["query"] > 0


def test_a_share_is_not_saved_up_while_ingest_has_nothing() -> None:
    lanes: Lanes[int] = Lanes(BatchPolicy(batch_items=4))
    for number in range(100):
        lanes.put(ticket([number]))
    for _ in range(10):
        lanes.take(0.0)
    lanes.put(ticket([-1] * 4, lane="ingest"))
    assert items_of(lanes.take(0.0)[0]) == [40, 41, 42, 43]


@pytest.mark.parametrize("wrong", [{"batch_items": 0}, {"ingest_share": 1.0}, {"ingest_share": -0.1}])
def test_a_policy_that_cannot_work_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        BatchPolicy(**wrong)  # type: ignore[arg-type]
