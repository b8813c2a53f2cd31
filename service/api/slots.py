"""Room for uploads and queries, reserved in the store before the body is read."""

import structlog

from index.errors import StoreUnavailable
from service.api.policy import Slots
from service.api.records import ActiveRecords
from service.api.uploads import FIELDS_ONLY, QUERY_BODY_S
from service.api.workers import Workers
from service.errors import Problem
from service.settings import Settings

logger = structlog.get_logger(__name__)

# An upload may take this long to arrive; after that its reserved slot is anybody's, though it may still be accepted.
UPLOAD_S = 3600.0
# A query's slot outlives its deadline by the time its body may take, and by what decoding commonly takes: a slot
# that expired under its query would be given to another, and the limit would be none.
QUERY_DECODE_S = 30.0


class SlotKeeper:
    """The bound behind 429. A slot is given back when its request ends, or expires with the process that took it."""

    def __init__(self, settings: Settings, records: ActiveRecords, workers: Workers) -> None:
        self._settings = settings
        self._records = records
        self._workers = workers

    def limit_bytes(self, slots: Slots | None) -> int:
        """Most bytes of a body."""
        if slots == "ingest":
            return self._settings.max_upload_bytes
        return self._settings.max_query_bytes if slots == "query" else FIELDS_ONLY.body_bytes

    async def reserve(self, slots: Slots, slot_id: str) -> None:
        """Take a slot.

        Raises:
            Problem: 429 when all are taken, 503 when nobody could answer a query.
        """
        records = await self._records.get()
        if slots == "ingest":
            limit, retry_after_s = self._settings.ingest_slots, 5.0
            free = await records.intake.reserve(slot_id, limit=limit, ttl_s=UPLOAD_S)
        else:
            await self._workers.require_ready(records.space.id)
            limit, retry_after_s = self._settings.query_slots, 1.0
            ttl_s = self._settings.query_deadline_s + QUERY_BODY_S + QUERY_DECODE_S
            free = await records.queries.reserve(slot_id, limit=limit, ttl_s=ttl_s)
        if not free:
            raise Problem(
                429,
                f"{slots}_queue_full",
                f"all {limit} {slots} slots are taken: try again after the seconds in Retry-After",
                retry_after_s=retry_after_s,
                limit=limit,
            )

    async def release(self, slots: Slots, slot_id: str) -> None:
        """Give a slot back."""
        try:
            records = await self._records.get()
            owner = records.intake if slots == "ingest" else records.queries
            await owner.release(slot_id)
        except StoreUnavailable:
            logger.warning("a slot could not be given back and will expire", slots=slots, slot=slot_id)
