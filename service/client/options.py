"""What may be said along with a call, and how it is written on the wire.

Each set of options is declared once, as a TypedDict, and taken by `**options: Unpack[...]`: type checkers and editors
see the names and types, and no argument list is repeated.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict

from service.client.answers import Box, Target


class UploadOptions(TypedDict, total=False):
    """`captured_at` is when the first frame was taken and needs a time zone. Tags: at most 16, text to text."""

    camera_id: str | None
    captured_at: datetime | None
    tags: Mapping[str, str] | None


class Filters(TypedDict, total=False):
    """All that are given must hold. Time is half open, [from_, to), and matches by overlap."""

    camera_ids: Sequence[str]
    from_: datetime | None
    to: datetime | None
    tags: Mapping[str, str] | None


class QueryOptions(Filters, total=False):
    """`k` hits at most (10), out of `target` (`all`: both kinds), none below `min_score` (by default the
    service's own, `Version.min_score`; -1 shows all).

    `box` cuts the person out of the picture first. `min_version` waits for that `gallery_version`.
    """

    k: int
    target: Target
    min_score: float | None
    box: Box | None
    min_version: int | None


class ItemOptions(TypedDict, total=False):
    """Which items to list."""

    camera_id: str | None
    from_: datetime | None
    to: datetime | None
    status: str | None
    tags: Mapping[str, str] | None


def upload_fields(options: UploadOptions) -> dict[str, Any]:
    return _present(
        camera_id=options.get("camera_id"),
        captured_at=_time(options.get("captured_at")),
        tags=_tags(options.get("tags")),
    )


def query_fields(options: QueryOptions) -> dict[str, Any]:
    box = options.get("box")
    return _present(
        k=options.get("k"),
        target=options.get("target"),
        camera_id=list(options.get("camera_ids", ())) or None,
        from_=_time(options.get("from_")),
        to=_time(options.get("to")),
        tags=_tags(options.get("tags")),
        min_score=options.get("min_score"),
        box=None if box is None else ",".join(str(number) for number in box),
        min_version=options.get("min_version"),
    )


def item_fields(options: ItemOptions) -> dict[str, Any]:
    return _present(
        camera_id=options.get("camera_id"),
        from_=_time(options.get("from_")),
        to=_time(options.get("to")),
        status=options.get("status"),
        tags=_tags(options.get("tags")),
    )


def _present(**fields: Any) -> dict[str, Any]:
    """Those that are set, under their names on the wire (`from_` is a word of Python's)."""
    return {name.rstrip("_"): value for name, value in fields.items() if value is not None}


def _time(moment: datetime | None) -> str | None:
    if moment is not None and moment.tzinfo is None:
        raise ValueError(f"a time needs a time zone, and {moment.isoformat()} has none: add tzinfo=UTC, say")
    return None if moment is None else moment.isoformat()


def _tags(tags: Mapping[str, str] | None) -> str | None:
    return json.dumps(dict(tags)) if tags else None
