"""The body of a request: read within limits, counted as it comes, and gone from disk when the request is over."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import Request
from starlette.types import Message

from service.api.multipart import MAX_FIELD_BYTES, MAX_FIELDS, BodyLimits, FormReader, ReceivedForm, utf8
from service.api.policy import Policy
from service.api.visit import visit_of
from service.errors import Problem

IDLE_S: Final = 60.0  # a body that stands still for this long is given up
QUERY_BODY_S: Final = 30.0  # the whole body of a query: its slot is held meanwhile and must not expire under it
FIELDS_ONLY: Final = BodyLimits(body_bytes=4 * MAX_FIELD_BYTES, files=0)


class ClientGone(Exception):
    """The client closed the connection before its request was answered."""


@asynccontextmanager
async def received_form(request: Request, folder: Path, stem: str, limits: BodyLimits) -> AsyncIterator[ReceivedForm]:
    """The request's multipart form. Files that nobody moved away are gone when the block ends, whatever happened.

    Raises:
        Problem: too large, too many, or malformed.
        ClientGone: the client left in the middle of it.
    """
    _, options = parse_options_header(request.headers.get("content-type"))
    if not options.get(b"boundary"):
        raise Problem(400, "malformed_body", "Content-Type has no boundary: let the HTTP library write that header")
    try:
        reader = FormReader(options[b"boundary"], folder, stem, limits)
    except FormParserError as error:
        raise Problem(400, "malformed_body", f"Content-Type cannot be used: {error}") from error
    try:
        async for chunk in body_chunks(request, limits.body_bytes):
            reader.feed(chunk)
        yield reader.finish()
    finally:
        reader.close()


async def received_fields(request: Request) -> ReceivedForm:
    """Fields of a form without files: multipart, urlencoded, or no body at all.

    Raises:
        Problem: too large, too many, malformed, or with a file.
        ClientGone: the client left in the middle of it.
    """
    kind, _ = parse_options_header(request.headers.get("content-type"))
    if kind == b"multipart/form-data":
        async with received_form(request, Path(), "", FIELDS_ONLY) as form:
            return form
    body = await small_body(request, FIELDS_ONLY.body_bytes)
    try:
        pairs = parse_qsl(utf8("the form", body), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise Problem(413, "too_many_fields", f"the form has more than {MAX_FIELDS} fields: leave some out") from error
    form = ReceivedForm()
    for name, text in pairs:
        form.values.setdefault(name, []).append(text)
    return form


async def small_body(request: Request, limit_bytes: int) -> bytes:
    """The whole body in memory, at most `limit_bytes` of it."""
    return b"".join([chunk async for chunk in body_chunks(request, limit_bytes)])


async def body_chunks(request: Request, limit_bytes: int) -> AsyncIterator[bytes]:
    """The body as it comes, counted, whether or not its length was announced.

    Raises:
        Problem: more than the limit, nothing for a minute, or a query's body that takes too long as a whole.
        ClientGone: the client left.
    """
    policy = visit_of(request.scope).policy
    ends = time.monotonic() + QUERY_BODY_S if policy is not None and policy.slots == "query" else None
    total = 0
    while True:
        message = await _next_message(request, ends, total)
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        total += len(chunk)
        if total > limit_bytes:
            raise too_large(limit_bytes, f"at least {total}", policy)
        if chunk:
            yield chunk
        if not message.get("more_body", False):
            return


async def _next_message(request: Request, ends: float | None, total: int) -> Message:
    """What the server hands on next; by `ends`, when there is one, the body must be whole."""
    left = IDLE_S if ends is None else min(IDLE_S, ends - time.monotonic())
    try:
        async with asyncio.timeout(left):
            return await request.receive()
    except TimeoutError as error:
        if ends is not None and time.monotonic() >= ends:
            raise Problem(
                408,
                "upload_too_slow",
                f"the body of a query must come within {QUERY_BODY_S:g} s and had {total} bytes by then: "
                "send smaller or fewer files, or use a faster connection",
            ) from error
        raise Problem(408, "upload_stalled", f"no byte came for {IDLE_S:g} s: send the body again") from error


def too_large(limit_bytes: int, found: object, policy: Policy | None) -> Problem:
    """The 413 of a body of `found` bytes on a route of that policy."""
    return Problem(
        413,
        "too_large",
        f"the body has {found} bytes and {limit_bytes} are allowed here: {_cure(policy)}",
        limit_bytes=limit_bytes,
    )


def _cure(policy: Policy | None) -> str:
    """What makes a body of this route smaller."""
    if policy is None or policy.body == "none":
        return "send no body"
    if policy.body == "multipart":
        return "send a shorter clip or a smaller picture" + (", or fewer of them" if policy.slots == "query" else "")
    return "leave out or shorten some of its fields" if policy.body == "form" else "leave out or shorten some tags"
