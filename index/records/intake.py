"""The way in: a slot before the body, and one script that accepts an upload."""

from dataclasses import dataclass

import orjson
from redis.asyncio import Redis

from index.errors import IdempotencyConflict
from index.records.items import Item, item_record
from index.records.keys import Keys
from index.records.scripting import Scripts
from index.records.slots import Slots

IDEMPOTENCY_LIFE_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A client's promise that two requests are one: who sent it, the key, and a hash of body and fields."""

    owner: str
    key: str
    body_hash: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """Which item the upload became; `replayed` when an earlier request with the same key had made it."""

    item_id: str
    replayed: bool


class Intake:
    """Uploads into one space. The job of an upload has the item's id."""

    def __init__(self, redis: Redis, space_id: str) -> None:
        self._slots = Slots(redis, space_id, "ingest")
        self._scripts = Scripts(redis, Keys(space_id))

    async def reserve(self, slot_id: str, *, limit: int, ttl_s: float) -> bool:
        """Take a place in the queue for the item of this id; False when `limit` are taken."""
        return await self._slots.reserve(slot_id, limit=limit, ttl_s=ttl_s)

    async def release(self, slot_id: str) -> None:
        """Give the place back: the upload did not become an item."""
        await self._slots.release(slot_id)

    async def accept(self, item: Item, *, idempotency: Idempotency | None) -> Accepted:
        """Write item, job and work entry at once, make its slot permanent, and wait for the disk.

        Its media must be on disk under their final name before.

        Raises:
            IdempotencyConflict: the key was used with another body.
            NotDurable, StoreUnavailable: nothing is promised, and the caller must not acknowledge.
        """
        key = f"{idempotency.owner}:{idempotency.key}" if idempotency else ""
        verdict, item_id = await self._scripts.run_durably(
            "accept",
            item.id,
            item.kind,
            item_record(item),
            orjson.dumps(item.tags),
            key,
            idempotency.body_hash if idempotency else "",
            IDEMPOTENCY_LIFE_S,
        )
        if verdict == b"conflict":
            raise IdempotencyConflict(
                "this Idempotency-Key was used within the last 24 h with another body: "
                "use a new key for a new upload, or send the first body again"
            )
        return Accepted(item_id.decode(), verdict == b"replayed")
