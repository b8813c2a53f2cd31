"""Files with byte ranges (RFC 9110), ETag and HEAD, streamed from the media store."""

import asyncio
import re
from collections.abc import AsyncIterator, Generator
from contextlib import suppress
from typing import cast
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from service.errors import Problem
from service.media import MediaStore

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


async def file_response(
    request: Request, media: MediaStore, key: str, *, media_type: str, etag: str, filename: str | None = None
) -> Response:
    """The file, or the one range of it that is asked for. `etag` is its strong validator, without quotes.

    Raises:
        Problem: 404 for a file that is gone, 416 for a range outside of it.
    """
    try:
        size = await asyncio.to_thread(media.size, key)
    except FileNotFoundError as error:
        raise _gone() from error
    headers = {
        "ETag": f'"{etag}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": _disposition(filename),
        # What was uploaded is shown, never run.
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if _matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    asked = _asked_range(request, size, etag)
    start, length = asked or (0, size)
    headers["Content-Length"] = str(length)
    if asked:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
    status = 206 if asked else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=media_type)
    try:
        chunks = await asyncio.to_thread(media.open_range, key, start, length)
    except FileNotFoundError as error:
        raise _gone() from error
    return StreamingResponse(_in_threads(cast(Generator[bytes, None, None], chunks)), status, headers, media_type)


def _asked_range(request: Request, size: int, etag: str) -> tuple[int, int] | None:
    """Start and length of the range asked for; None for the whole file, also where a range is not understood."""
    text = request.headers.get("range")
    condition = request.headers.get("if-range")
    if text is None or (condition is not None and condition != f'"{etag}"'):
        return None
    found = _RANGE.fullmatch(text.strip())
    if found is None or found.groups() == ("", ""):
        return None  # several ranges, another unit, nonsense: RFC 9110 lets a server ignore these
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1 if last else size)
        if last and int(last) < start:
            return None
    if start >= end:
        raise Problem(
            416,
            "range_not_satisfiable",
            f"the range {text[:100]!r} lies outside the {size} bytes of this file: ask for less",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return start, end - start


def _matches(condition: str | None, etag: str) -> bool:
    if condition is None:
        return False
    known = {each.strip().removeprefix("W/") for each in condition.split(",")}
    return "*" in known or f'"{etag}"' in known


def _disposition(filename: str | None) -> str:
    return f"inline; filename*=UTF-8''{quote(filename, safe='')}" if filename else "inline"


async def _in_threads(chunks: Generator[bytes, None, None]) -> AsyncIterator[bytes]:
    try:
        while chunk := await asyncio.to_thread(next, chunks, b""):
            yield chunk
    finally:
        # A generator that a thread is still inside of cannot be closed; it closes its file when that read ends.
        with suppress(ValueError):
            chunks.close()


def _gone() -> Problem:
    return Problem(404, "media_gone", "this file is not there any more: it was erased, or its item failed")
