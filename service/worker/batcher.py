"""Dynamic batching across requests: many wait, one thread works.

Knows neither torch nor the web: the core is any function from a list of items to as many results.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from service.worker.lanes import BatchPolicy, Item, Lane, Lanes, Piece, Ticket

logger = logging.getLogger(__name__)
Result = TypeVar("Result")


class BatcherClosed(Exception):
    """The batcher is stopping, or its core is gone: it takes nothing more."""


class DeadlineExceeded(Exception):
    """The request's turn came after its deadline."""


class WrongOutputCount(Exception):
    """The core returned another number of results than it was given items."""


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What an observer is told of each batch."""

    lane: Lane
    n_items: int
    core_s: float  # seconds in the core, the second tries of a failed batch included
    queued_s: float  # longest wait of a ticket in it


@dataclass(slots=True)
class Done(Generic[Result]):
    """Results of one request, in the order of its items."""

    results: list[Result]
    started_at: float  # time.monotonic() when its first batch began
    finished_at: float


Observe = Callable[[BatchReport], None]
Promised = asyncio.Future[Done[Result]]


class Batcher(Generic[Item, Result]):
    """Gathers the items of many requests into batches for one core thread.

    The thread is the only caller of `core`, so it owns the device; it takes its next batch itself, so an idle core
    waits for nobody and a busy one is never kept waiting by the event loop. An exception of the core fails only the
    request that causes it: the batch is tried again one request at a time. Exceptions in `fatal` mean that the core is
    gone: all requests fail with it, and so does `watch`. No future is ever left open.
    """

    def __init__(
        self,
        core: Callable[[list[Item]], Sequence[Result]],
        policy: BatchPolicy,
        *,
        prepare: Callable[[], None] | None = None,
        fatal: tuple[type[BaseException], ...] = (),
        observe: Observe | None = None,
    ) -> None:
        """`prepare` runs first on the core thread: the warm-up of a device that only this thread may touch."""
        self._core = core
        self._prepare = prepare
        self._policy = policy
        self._fatal = fatal
        self._observe = observe
        self._lanes: Lanes[Item] = Lanes(policy)
        self._turn = threading.Condition()  # guards _lanes and _stopping
        self._stopping = False
        self._batch: list[Piece[Item]] = []  # the one in the core
        self._thread = threading.Thread(target=self._work, name="core", daemon=True)

    async def start(self) -> None:
        """Start the core thread on behalf of this event loop, and wait until it is prepared.

        Raises whatever `prepare` raises; the batcher is closed then.
        """
        self._loop = asyncio.get_running_loop()
        self._prepared: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[BaseException | None] = self._loop.create_future()
        self._thread.start()
        await self._prepared

    def submit(
        self, items: Sequence[Item], *, lane: Lane, bucket: int, deadline: float | None = None
    ) -> Promised[Result]:
        """Put one request in the line; cancel the future to leave it.

        `bucket`: only items of one bucket share a batch; it is also the cost of one item. `deadline`: time.monotonic()
        seconds.

        The future fails with `DeadlineExceeded`, `WrongOutputCount` or what the core raised.

        Raises:
            BatcherClosed: the batcher is stopping, or its core is gone.
        """
        if not items:
            raise ValueError("a request needs at least one item")
        promise: Promised[Result] = self._loop.create_future()
        ticket = Ticket(items, lane, bucket, promise, queued_at=time.monotonic(), deadline=deadline)
        with self._turn:
            if self._stopping:
                raise BatcherClosed("the batcher is stopping: ask another worker")
            self._lanes.put(ticket)
            self._turn.notify()
        return promise

    def waiting(self) -> int:
        """Items in the line."""
        with self._turn:
            return self._lanes.waiting()

    async def watch(self) -> None:
        """Return when the core has ended after `stop`; raise what it died of otherwise."""
        error = await asyncio.shield(self._ended)
        if error is not None:
            raise error

    async def stop(self) -> None:
        """Take nothing more, finish all that waits, end the thread."""
        with self._turn:
            self._stopping = True
            self._turn.notify()
        await asyncio.shield(self._ended)

    # The core thread ------------------------------------------------------------------------------------------

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            if self._prepare is not None:
                self._prepare()
            self._tell(self._prepared.set_result, None)
            while (batch := self._next_batch()) is not None:
                self._serve(batch)
        except BaseException as caught:
            error = caught
            logger.exception("the encoder is gone, this worker is of no use any more")
        with self._turn:
            self._stopping = True
            abandoned = [*(piece.ticket for piece in self._batch), *self._lanes.clear()]
        for ticket in abandoned:
            self._fail(ticket, error or BatcherClosed("the batcher has stopped"))
        self._tell(_reject, self._prepared, error or BatcherClosed("the batcher has stopped"))
        self._tell(self._ended.set_result, error)

    def _next_batch(self) -> list[Piece[Item]] | None:
        """Wait for work and take it; None when stopped and nothing is left."""
        while True:
            with self._turn:
                while not self._lanes.waiting() and not self._stopping:
                    self._turn.wait()
                self._wait_for_company()
                batch, expired = self._lanes.take(time.monotonic())
                over = self._stopping and not self._lanes.waiting()
            for ticket in expired:
                self._fail(ticket, DeadlineExceeded("the deadline passed before its turn came"))
            if batch:
                return batch
            if over:
                return None

    def _wait_for_company(self) -> None:
        """Let a partly filled batch wait, by its oldest ticket's age; holds the lock."""
        while self._policy.batch_wait_s and not self._stopping:
            oldest = self._lanes.oldest()
            if oldest is None or self._lanes.waiting() >= self._policy.batch_items:
                return
            left = oldest.queued_at + self._policy.batch_wait_s - time.monotonic()
            if left <= 0:
                return
            self._turn.wait(left)

    def _serve(self, batch: list[Piece[Item]]) -> None:
        self._batch = batch
        started = time.monotonic()
        try:
            results = self._run([item for piece in batch for item in piece.items])
        except self._fatal:
            raise
        except Exception as error:
            self._serve_one_by_one(batch, error)
        else:
            for piece in batch:
                piece.ticket.results += results[: len(piece.items)]
                results = results[len(piece.items) :]
        finished = time.monotonic()
        self._hand_over([piece.ticket for piece in batch], finished)
        self._batch = []
        self._report(batch, started, finished)

    def _serve_one_by_one(self, batch: list[Piece[Item]], error: Exception) -> None:
        """Find out which request the batch failed for; the others must not notice."""
        if len(batch) == 1:
            self._fail(batch[0].ticket, error)
            return
        logger.warning("a batch of %d requests failed, trying them one by one: %r", len(batch), error)
        for piece in batch:
            if piece.ticket.gone:
                continue
            try:
                piece.ticket.results += self._run(list(piece.items))
            except self._fatal:
                raise
            except Exception as own:
                self._fail(piece.ticket, own)

    def _run(self, items: list[Item]) -> list[Result]:
        results = list(self._core(items))
        if len(results) != len(items):
            raise WrongOutputCount(f"{len(items)} items went in and {len(results)} results came out")
        return results

    def _hand_over(self, tickets: list[Ticket[Item]], finished: float) -> None:
        """Answer all requests that are now whole, in one step of the event loop."""
        whole = [ticket for ticket in tickets if len(ticket.results) == len(ticket.items) and not ticket.failed]
        answers = [(ticket.promise, Done(ticket.results, ticket.started_at, finished)) for ticket in whole]
        if answers:
            self._tell(_resolve, answers)

    def _fail(self, ticket: Ticket[Item], error: BaseException) -> None:
        ticket.failed = True
        self._tell(_reject, ticket.promise, error)

    def _tell(self, callback: Callable[..., object], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(callback, *arguments)

    def _report(self, batch: list[Piece[Item]], started: float, finished: float) -> None:
        if self._observe is None:
            return
        queued = max(started - piece.ticket.queued_at for piece in batch)
        n_items = sum(len(piece.items) for piece in batch)
        try:
            self._observe(BatchReport(batch[0].ticket.lane, n_items, finished - started, queued))
        except Exception:
            logger.exception("the batch observer failed; serving goes on")


def _resolve(answers: list[tuple[asyncio.Future[Any], Done[Any]]]) -> None:
    for promise, done in answers:
        if not promise.done():
            promise.set_result(done)


def _reject(promise: asyncio.Future[Any], error: BaseException) -> None:
    if not promise.done():
        promise.set_exception(error)
