"""Who comes next: queries first, ingest its guaranteed share, clips of one length together."""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

Lane = Literal["query", "ingest"]
Item = TypeVar("Item")


class Promise(Protocol):
    """As much of a future as the waiting line looks at."""

    def done(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """How batches are put together."""

    batch_items: int = 32  # most items in one call of the core
    batch_wait_s: float = 0.0  # how long the oldest item of a partly filled batch waits for company
    ingest_share: float = 0.1  # least part of all items that ingest gets while it has any waiting

    def __post_init__(self) -> None:
        if self.batch_items < 1:
            raise ValueError(f"batch_items must be at least 1, got {self.batch_items}")
        if not 0 <= self.ingest_share < 1:
            raise ValueError(f"ingest_share must be in [0, 1), got {self.ingest_share}")


class Ticket(Generic[Item]):
    """One request in the line: its items, and how far they have come."""

    __slots__ = (
        "bucket", "deadline", "failed", "items", "lane", "promise", "queued_at", "results", "started_at", "taken",
    )  # fmt: skip

    def __init__(
        self,
        items: Sequence[Item],
        lane: Lane,
        bucket: int,
        promise: Promise,
        *,
        queued_at: float,
        deadline: float | None = None,
    ) -> None:
        self.items = items
        self.lane = lane
        self.bucket = bucket
        self.promise = promise
        self.queued_at = queued_at  # seconds of the clock whose `now` is given to `take`
        self.deadline = deadline  # of the same clock
        self.taken = 0  # items already handed out
        self.results: list[Any] = []  # of the first items, in order
        self.started_at = 0.0  # when its first item was handed out
        self.failed = False  # its promise is being broken on another thread

    @property
    def left(self) -> int:
        return len(self.items) - self.taken

    @property
    def gone(self) -> bool:
        """Nobody waits for it any more."""
        return self.failed or self.promise.done()


@dataclass(frozen=True, slots=True)
class Piece(Generic[Item]):
    """A run of items of one ticket that goes into one batch."""

    ticket: Ticket[Item]
    items: Sequence[Item]


class _Line(Generic[Item]):
    """One lane: a queue for each bucket, since items of two buckets cannot share a batch."""

    def __init__(self) -> None:
        self._queues: dict[int, deque[Ticket[Item]]] = {}

    def put(self, ticket: Ticket[Item]) -> None:
        self._queues.setdefault(ticket.bucket, deque()).append(ticket)

    def head(self) -> Ticket[Item] | None:
        """The ticket that waits longest, past those nobody waits for any more."""
        for bucket, queue in list(self._queues.items()):
            while queue and queue[0].gone:
                queue.popleft()
            if not queue:
                del self._queues[bucket]
        heads = [queue[0] for queue in self._queues.values()]
        return min(heads, key=lambda ticket: ticket.queued_at, default=None)

    def left_in(self, bucket: int) -> int:
        return sum(ticket.left for ticket in self._queues.get(bucket, ()))

    def left(self) -> int:
        return sum(self.left_in(bucket) for bucket in self._queues)

    def cut(self, bucket: int, room: int, now: float, expired: list[Ticket[Item]]) -> Iterator[Piece[Item]]:
        """Hand out up to `room` items of a bucket in order; tickets past their deadline go to `expired`."""
        queue = self._queues.get(bucket, deque())
        while room > 0 and queue:
            ticket = queue[0]
            if ticket.gone:
                queue.popleft()
                continue
            if ticket.deadline is not None and now >= ticket.deadline:
                expired.append(queue.popleft())
                continue
            if not ticket.taken:
                ticket.started_at = now
            piece = Piece(ticket, ticket.items[ticket.taken : ticket.taken + room])
            ticket.taken += len(piece.items)
            room -= len(piece.items)
            if not ticket.left:
                queue.popleft()
            yield piece

    def clear(self) -> list[Ticket[Item]]:
        tickets = [ticket for queue in self._queues.values() for ticket in queue]
        self._queues.clear()
        return tickets


class Lanes(Generic[Item]):
    """The waiting line of a batcher. Not thread-safe: its owner holds a lock.

    Queries go first. While ingest waits it earns `ingest_share` of all items handed out, and leads a batch as soon as
    it has earned one: it may be late by a batch, never short. A bucket number is also the cost of an item (frames of
    a clip), and a batch led by ingest costs no more than a full one of queries of cost 1, so that a query that comes
    just behind it does not wait long.
    """

    def __init__(self, policy: BatchPolicy) -> None:
        self._policy = policy
        self._lines: dict[Lane, _Line[Item]] = {"query": _Line(), "ingest": _Line()}
        self._earned = 0.0  # items ingest is owed

    def put(self, ticket: Ticket[Item]) -> None:
        self._lines[ticket.lane].put(ticket)

    def waiting(self) -> int:
        """Items that wait, those of tickets that nobody waits for included."""
        return sum(line.left() for line in self._lines.values())

    def oldest(self) -> Ticket[Item] | None:
        """The ticket that waits longest in either lane."""
        heads = [head for line in self._lines.values() if (head := line.head())]
        return min(heads, key=lambda ticket: ticket.queued_at, default=None)

    def take(self, now: float) -> tuple[list[Piece[Item]], list[Ticket[Item]]]:
        """The next batch, all of one bucket, and the tickets whose deadline had passed when their turn came."""
        expired: list[Ticket[Item]] = []
        query, ingest = self._lines["query"].head(), self._lines["ingest"].head()
        if ingest is None:
            self._earned = 0.0  # a share is of what passes while one waits; it is not saved up
        if ingest is not None and (query is None or self._earned >= self._ingest_room(ingest.bucket)):
            batch = list(self._lines["ingest"].cut(ingest.bucket, self._ingest_room(ingest.bucket), now, expired))
            self._earned = max(0.0, self._earned - _count(batch))
        elif query is not None:
            batch = list(self._lines["query"].cut(query.bucket, self._policy.batch_items, now, expired))
            share = self._policy.ingest_share
            self._earned += _count(batch) * share / (1 - share) if ingest is not None else 0.0
        else:
            batch = []
        return batch, expired

    def clear(self) -> list[Ticket[Item]]:
        """Empty the line and return all who stood in it."""
        return [ticket for line in self._lines.values() for ticket in line.clear()]

    def _ingest_room(self, bucket: int) -> int:
        """Items of a batch led by ingest: at most what waits, at most the cost of a full batch of queries."""
        most = max(1, math.ceil(self._policy.batch_items / max(1, bucket)))
        return min(most, self._lines["ingest"].left_in(bucket))


def _count(batch: Sequence[Piece[Item]]) -> int:
    return sum(len(piece.items) for piece in batch)
