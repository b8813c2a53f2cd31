"""Ids in paths. One that could never have been given out is as unknown as any other: 404, not 422."""

import re
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from index.entries import Kind
from index.errors import NotFound

_ID = re.compile(r"[0-9a-f]{32}")
_TRACK_ID = re.compile(r"[0-9a-f]{32}-[0-9]{4,}")


def is_id(text: str) -> bool:
    """Whether the text could be the id of an item, a job or a query."""
    return _ID.fullmatch(text) is not None


async def _kind(request: Request) -> Kind:
    return "video" if request.scope["path"].startswith("/gallery/videos") else "image"


async def _item_id(item_id: str, request: Request) -> str:
    if not is_id(item_id):
        raise NotFound(await _kind(request), item_id[:100])
    return item_id


async def _track_id(track_id: str) -> str:
    if not _TRACK_ID.fullmatch(track_id) or len(track_id) > 40:
        raise NotFound("track", track_id[:100])
    return track_id


async def _job_id(job_id: str) -> str:
    if not is_id(job_id):
        raise NotFound("job", job_id[:100])
    return job_id


KindOf = Annotated[Kind, Depends(_kind)]
ItemId = Annotated[str, Depends(_item_id)]
TrackId = Annotated[str, Depends(_track_id)]
JobId = Annotated[str, Depends(_job_id)]
