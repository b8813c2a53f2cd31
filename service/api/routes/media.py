"""Files of the gallery: what was uploaded, and a picture of each track."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service.api import models
from service.api.answers import Json
from service.api.identity import ItemId, KindOf, TrackId
from service.api.parts import PartsOf, RecordsOf
from service.api.ranges import file_response
from service.api.routes.gallery import known_item
from service.api.shapes import show_track

router = APIRouter(tags=["gallery"])

_FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "the whole file", "content": {"application/octet-stream": {}}},
    206: {"description": "the byte range asked for", "content": {"application/octet-stream": {}}},
    304: {"description": "the client's copy is the same"},
    416: {"description": "the range lies outside the file"},
}


@router.head("/gallery/videos/{item_id}/media", include_in_schema=False)
@router.head("/gallery/images/{item_id}/media", include_in_schema=False)
@router.get("/gallery/videos/{item_id}/media", responses=_FILE)
@router.get("/gallery/images/{item_id}/media", responses=_FILE)
async def get_media(request: Request, parts: PartsOf, records: RecordsOf, kind: KindOf, item_id: ItemId) -> Response:
    """The bytes that were uploaded; byte ranges supported."""
    item = await known_item(records, kind, item_id)
    return await file_response(
        request,
        parts.media,
        f"{records.space.id}/{item.id}/original",
        media_type=item.media_type,
        etag=item.sha256,
        filename=item.filename,
    )


@router.get("/gallery/tracks/{track_id}", responses={200: {"model": models.Track}})
async def get_track(records: RecordsOf, track_id: TrackId) -> Response:
    """One track."""
    return Json(show_track(await records.items.track(track_id)))


@router.head("/gallery/tracks/{track_id}/thumbnail", include_in_schema=False)
@router.get("/gallery/tracks/{track_id}/thumbnail", responses=_FILE)
async def get_thumbnail(request: Request, parts: PartsOf, records: RecordsOf, track_id: TrackId) -> Response:
    """A picture of the track, JPEG."""
    track = await records.items.track(track_id)
    return await file_response(
        request,
        parts.media,
        f"{records.space.id}/{track.item_id}/{track.ordinal:04d}.jpg",
        media_type="image/jpeg",
        # A track's picture never changes: another one is another track.
        etag=track.id,
    )
