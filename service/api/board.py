"""Where requests wait: for the reply to a query, and for something to happen to a job."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from index.records.replies import Event, Reply


class Board:
    """Fed by the one reader of this process's reply stream; read by the requests."""

    def __init__(self) -> None:
        self._replies: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._watchers: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self.applied: dict[str, int] = {}  # worker -> log position its index stands at, as announced
        self.closing = False

    def take(self, news: Reply | Event) -> None:
        """Hand a message of the reader to whoever waits for it."""
        if isinstance(news, Reply):
            future = self._replies.get(news.query_id)
            if future is not None and not future.done():
                future.set_result(news.payload)
        elif news.kind == "applied":
            self._note_applied(news)
        else:
            self._ring(news.id)

    @contextmanager
    def reply_to(self, query_id: str) -> Iterator[asyncio.Future[dict[str, Any]]]:
        """The future of a query's reply, forgotten when the block ends."""
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._replies[query_id] = future
        try:
            yield future
        finally:
            del self._replies[query_id]

    @contextmanager
    def watch(self, job_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the job, or what any index has applied, changes; the watcher clears it."""
        event = asyncio.Event()
        if self.closing:
            event.set()
        self._watchers[job_id].add(event)
        try:
            yield event
        finally:
            self._watchers[job_id].discard(event)
            if not self._watchers[job_id]:
                del self._watchers[job_id]

    def close(self) -> None:
        """The process stops: whoever waits for a job is let go."""
        self.closing = True
        self._ring_all()

    def _note_applied(self, news: Event) -> None:
        worker, applied = news.id, int(news.state)
        self.applied[worker] = max(applied, self.applied.get(worker, 0))
        self._ring_all()

    def _ring(self, job_id: str) -> None:
        for event in self._watchers.get(job_id, ()):
            event.set()

    def _ring_all(self) -> None:
        for watchers in self._watchers.values():
            for event in watchers:
                event.set()
