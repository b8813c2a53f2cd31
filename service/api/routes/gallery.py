"""Items: put in, list, show, tag, erase."""

from typing import Annotated, Any

from fastapi import APIRouter, Header
from starlette.requests import Request
from starlette.responses import Response

from index.entries import Kind
from index.errors import NotFound
from index.records.items import Item
from service.api import models
from service.api.answers import Json
from service.api.erasing import erase_files
from service.api.forms import TagsForm, UploadForm, read_form, read_json
from service.api.identity import ItemId, KindOf
from service.api.listing import ItemFilter, read_query
from service.api.multipart import BodyLimits
from service.api.openapi import json_body, multipart_body, query_parameters
from service.api.parts import PartsOf, RecordsOf
from service.api.records import Records
from service.api.shapes import show_item, show_job, show_track, show_upload
from service.api.uploads import FIELDS_ONLY, received_form, small_body
from service.api.visit import visit_of
from service.api.waiting import Wait, job_problem
from service.errors import Problem

router = APIRouter(tags=["gallery"])

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1, max_length=128, pattern=r"^[\x21-\x7e]+$", description="makes the upload safe to repeat, 24 h"
    ),
]
_UPLOAD: dict[str, Any] = {
    "status_code": 202,
    "responses": {201: {"model": models.Upload, "description": "searchable"}, 202: {"model": models.Upload}},
    "openapi_extra": multipart_body(UploadForm, files=1),
}
_LIST: dict[str, Any] = {
    "responses": {200: {"model": models.Items}},
    "openapi_extra": query_parameters(ItemFilter),
}


@router.post("/gallery/videos", **_UPLOAD)
@router.post("/gallery/images", **_UPLOAD)
async def upload_item(
    request: Request,
    parts: PartsOf,
    records: RecordsOf,
    kind: KindOf,
    wait: Wait = 0.0,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Put a file of one person into the gallery. 202 means: on disk, and it will be encoded whatever happens."""
    limits = BodyLimits(parts.settings.max_upload_bytes, files=1)
    async with received_form(request, parts.media.scratch_dir, visit_of(request.scope).reserved, limits) as received:
        if not received.files:
            raise missing_file()
        form = read_form(UploadForm, received.values)
        accepted = await parts.storer.store(request, records, kind, received.files[0], form, idempotency_key)
    job = await parts.waiter.job(request, records, accepted.item_id, wait)
    # A replay of what has died meanwhile: 202 would promise an encoding that never comes.
    if (wait or accepted.replayed) and job.state == "dead" and job.error:
        raise job_problem(job)
    visible = job.state == "done" and await parts.waiter.is_visible(records, job)
    return Json(show_upload(job), 201 if visible else 202, {"Location": f"/jobs/{job.id}"})


@router.get("/gallery/videos", **_LIST)
@router.get("/gallery/images", **_LIST)
async def list_items(request: Request, records: RecordsOf, kind: KindOf) -> Response:
    """Items that match, newest first, a page at a time."""
    asked = read_query(ItemFilter, request)
    items, cursor = await records.items.page(
        kind,
        cursor=asked.cursor,
        limit=asked.limit,
        camera_id=asked.camera_id,
        from_ms=asked.from_ms,
        to_ms=asked.to_ms,
        status=asked.status,
        tags=asked.tags,
    )
    return Json({"items": [show_item(item) for item in items], "next_cursor": cursor})


@router.get("/gallery/videos/{item_id}", responses={200: {"model": models.Item}})
@router.get("/gallery/images/{item_id}", responses={200: {"model": models.Item}})
async def get_item(records: RecordsOf, kind: KindOf, item_id: ItemId) -> Response:
    """One item."""
    return Json(show_item(await known_item(records, kind, item_id)))


@router.get("/gallery/videos/{item_id}/tracks", responses={200: {"model": models.Tracks}})
@router.get("/gallery/images/{item_id}/tracks", responses={200: {"model": models.Tracks}})
async def list_tracks(records: RecordsOf, kind: KindOf, item_id: ItemId) -> Response:
    """The tracks of an item, in their order in the file; all on one page."""
    await known_item(records, kind, item_id)
    tracks = await records.items.tracks(item_id)
    return Json({"items": [show_track(track) for track in tracks], "next_cursor": None})


@router.patch("/gallery/videos/{item_id}", responses={200: {"model": models.Item}}, openapi_extra=json_body(TagsForm))
@router.patch("/gallery/images/{item_id}", responses={200: {"model": models.Item}}, openapi_extra=json_body(TagsForm))
async def retag_item(request: Request, records: RecordsOf, kind: KindOf, item_id: ItemId) -> Response:
    """Replace the tags of an item and of its tracks."""
    form = read_json(TagsForm, await small_body(request, FIELDS_ONLY.body_bytes))
    await known_item(records, kind, item_id)
    await records.items.retag(item_id, form.tags)
    return Json(show_item(await records.items.get(item_id)))


@router.delete("/gallery/videos/{item_id}", responses={200: {"model": models.Job}})
@router.delete("/gallery/images/{item_id}", responses={200: {"model": models.Job}})
async def erase_item(parts: PartsOf, records: RecordsOf, kind: KindOf, item_id: ItemId) -> Response:
    """Erase an item. The answer is the erase job; its proof says, per place, `done` or `pending`."""
    await known_item(records, kind, item_id)
    job = await records.erasure.erase_item(item_id, kind)
    job = await erase_files(parts.media, records, job)
    return Json(show_job(job), headers={"Location": f"/jobs/{job.id}"})


async def known_item(records: Records, kind: Kind, item_id: str) -> Item:
    """The item, if it is of this kind.

    Raises:
        NotFound: there is none.
    """
    item = await records.items.get(item_id)
    if item.kind != kind:
        raise NotFound(kind, item_id)
    return item


def missing_file() -> Problem:
    """The 422 of a form without its file."""
    return Problem(
        422,
        "missing_file",
        "the form has no file: send it as a part named `file`",
        field="file",
    )
