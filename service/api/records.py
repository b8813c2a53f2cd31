"""The records of the active space, followed as it changes."""

import time
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from index.records.erase import Erasure
from index.records.intake import Intake
from index.records.items import Items
from index.records.jobs import Jobs
from index.records.log import Log
from index.records.queries import Queries
from index.records.spaces import Spaces
from index.space import Space

FOLLOWED_S: Final = 1.0  # a new space is noticed within this time


@dataclass(frozen=True, slots=True)
class Records:
    """Everything the api does with the gallery of one space."""

    space: Space
    items: Items
    intake: Intake
    jobs: Jobs
    queries: Queries
    erasure: Erasure
    log: Log

    @classmethod
    def of(cls, redis: Redis, space: Space) -> "Records":
        return cls(
            space,
            Items(redis, space.id),
            Intake(redis, space.id),
            Jobs(redis, space.id),
            Queries(redis, space.id),
            Erasure(redis, space.id),
            Log(redis, space.id),
        )


class ActiveRecords:
    """Remembers which space is the active one, so that not every request has to ask."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._spaces = Spaces(redis)
        self._known: Records | None = None
        self._asked = 0.0

    async def get(self, *, fresh: bool = False) -> Records:
        """The records of the active space. `fresh`: ask now, whatever is known.

        Raises:
            NoSpace: no worker has registered one.
            StoreUnavailable: the store does not answer.
        """
        now = time.monotonic()
        if fresh or self._known is None or now - self._asked >= FOLLOWED_S:
            self._asked = now  # one request asks; those that come meanwhile make do with what is known
            space = await self._spaces.active()
            if self._known is None or self._known.space != space:
                self._known = Records.of(self._redis, space)
        return self._known
