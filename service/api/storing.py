"""One upload on its way: checked at the door, media on disk, accepted by the records, and only then acknowledged."""

import asyncio
import hashlib
from typing import Any

import orjson
import structlog
from starlette.requests import Request

from index.entries import Kind
from index.errors import NotDurable, NotFound, StoreUnavailable
from index.records.intake import Accepted, Idempotency
from index.records.items import Item
from service.api.clock import ServerClock
from service.api.forms import UploadForm
from service.api.multipart import UploadedFile
from service.api.records import Records
from service.api.visit import visit_of
from service.decode.crops import Probe
from service.decode.pool import DecoderPool
from service.media import MediaStore

logger = structlog.get_logger(__name__)


class Storer:
    """Takes uploads in. What was certainly not accepted leaves nothing behind."""

    def __init__(self, *, media: MediaStore, decoders: DecoderPool, clock: ServerClock) -> None:
        self._media = media
        self._decoders = decoders
        self._clock = clock

    async def store(
        self, request: Request, records: Records, kind: Kind, file: UploadedFile, form: UploadForm, key: str | None
    ) -> Accepted:
        """Put one file into the gallery's queue; `key` is the request's Idempotency-Key.

        Raises:
            MediaError: the file cannot be used.
            IdempotencyConflict: the key was used with another body.
            NotDurable, StoreUnavailable: it may or may not have been accepted; the same key tells, when sent again.
        """
        visit = visit_of(request.scope)
        probe = await self._decoders.probe(file.path, expect=kind)
        item = self._item(visit.reserved, kind, file, form, probe)
        media_key = f"{records.space.id}/{item.id}/original"
        idempotency = Idempotency(visit.caller_id, key, body_hash(kind, file, form)) if key else None
        accepted = None
        try:
            # Inside: the file can be in its place already when syncing its folder fails.
            await asyncio.to_thread(self._media.put_file, file.path, media_key)
            accepted = await records.intake.accept(item, idempotency=idempotency)
        except (NotDurable, StoreUnavailable):
            visit.keeps_slot = await self._may_be_there(records, item.id)
            raise
        except asyncio.CancelledError:
            # Stopping leaves no time to look. If it was not accepted, the sweep removes its media and its slot expires.
            visit.keeps_slot = True
            raise
        finally:
            kept = visit.keeps_slot or (accepted is not None and not accepted.replayed)
            if not kept:
                await asyncio.to_thread(self._media.delete_tree, f"{records.space.id}/{item.id}")
        visit.keeps_slot = kept
        visit.note["item_id"] = accepted.item_id
        return accepted

    def _item(self, item_id: str, kind: Kind, file: UploadedFile, form: UploadForm, probe: Probe) -> Item:
        return Item(
            id=item_id,
            kind=kind,
            content=form.content,
            status="queued",
            camera_id=form.camera_id,
            captured_at_ms=form.captured_at,
            tags=form.tags,
            filename=file.filename or "",
            media_type=probe.media_type,
            size_bytes=file.size_bytes,
            sha256=file.sha256,
            created_ms=self._clock.now_ms(),
            n_tracks=0,
            gallery_version=None,
        )

    @staticmethod
    async def _may_be_there(records: Records, item_id: str) -> bool:
        """Whether an item whose acceptance nobody confirmed may exist. Its media are only removed when it does not."""
        try:
            await records.items.get(item_id)
        except NotFound:
            return False
        except StoreUnavailable:
            logger.warning("an upload may or may not have been accepted; its media are kept", item_id=item_id)
        return True


def body_hash(kind: Kind, file: UploadedFile, form: UploadForm) -> str:
    """What makes two uploads the same body: kind, bytes and fields; not the boundary, nor the order of the parts."""
    said: dict[str, Any] = {"kind": kind, "sha256": file.sha256, **form.model_dump()}
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()
