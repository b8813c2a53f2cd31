"""Questions: where else does this person appear?"""

import asyncio
import time
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from index.entries import Kind
from index.space import Space
from service.api import models
from service.api.answers import Json
from service.api.forms import PictureQueryForm, QueryForm, read_form
from service.api.identity import TrackId
from service.api.multipart import BodyLimits, ReceivedForm
from service.api.openapi import form_body, multipart_body
from service.api.parts import Parts, PartsOf, RecordsOf
from service.api.records import Records
from service.api.routes.gallery import missing_file
from service.api.searching import Question
from service.api.uploads import received_fields, received_form
from service.api.visit import visit_of
from service.decode.crops import Crops, CropSampling
from service.errors import Problem

router = APIRouter(tags=["query"])

MAX_FILES: Final = 16
_ANSWER: dict[int | str, dict[str, Any]] = {200: {"model": models.Answer}}


@router.post("/query/image", responses=_ANSWER, openapi_extra=multipart_body(PictureQueryForm, files=MAX_FILES))
async def query_image(request: Request, parts: PartsOf, records: RecordsOf) -> Response:
    """Find the person of a picture, or of several pictures of one person."""
    return await _query_files(request, parts, records, "image")


@router.post("/query/video", responses=_ANSWER, openapi_extra=multipart_body(PictureQueryForm, files=MAX_FILES))
async def query_video(request: Request, parts: PartsOf, records: RecordsOf) -> Response:
    """Find the person of a clip, or of several clips of one person."""
    return await _query_files(request, parts, records, "video")


@router.post("/query/tracks/{track_id}", responses=_ANSWER, openapi_extra=form_body(QueryForm))
async def query_track(request: Request, parts: PartsOf, records: RecordsOf, track_id: TrackId) -> Response:
    """Find tracks that look like one already in the gallery; its own item is left out."""
    form = read_form(QueryForm, (await received_fields(request)).values)
    track = await records.items.track(track_id)
    question = Question(form, vector=track.vector, exclude_item=track.item_id)
    return Json(await parts.searcher.answer(request, records, question))


async def _query_files(request: Request, parts: Parts, records: Records, kind: Kind) -> Response:
    limits = BodyLimits(parts.settings.max_query_bytes, files=MAX_FILES)
    async with received_form(request, parts.media.scratch_dir, visit_of(request.scope).reserved, limits) as received:
        form = read_form(PictureQueryForm, received.values)
        _check_files(received, form)
        began = time.perf_counter()
        crops = await _crops(parts, records.space, kind, received, form)
        decode_s = time.perf_counter() - began
    question = Question(form, crops=crops, decode_s=decode_s)
    return Json(await parts.searcher.answer(request, records, question))


def _check_files(received: ReceivedForm, form: PictureQueryForm) -> None:
    if not received.files:
        raise missing_file()
    if form.box is not None and len(received.files) > 1:
        raise Problem(
            422,
            "invalid_field",
            f"box belongs to one file and {len(received.files)} came: leave it out, or send one file",
            field="box",
        )


async def _crops(
    parts: Parts, space: Space, kind: Kind, received: ReceivedForm, form: PictureQueryForm
) -> tuple[Crops, ...]:
    """Crops of all files, decoded side by side as far as there are decoders."""
    sampling = CropSampling(space.frames, space.height, space.width, space.max_clips, space.rule)
    # Not a task group: cancelling a decode costs a decoder child its life, finishing it costs little.
    return tuple(
        await asyncio.gather(
            *(parts.decoders.crops(file.path, sampling, box=form.box, expect=kind) for file in received.files)
        )
    )
