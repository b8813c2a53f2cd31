"""Times as people write them (RFC 3339, with an offset) and as records keep them (milliseconds of Unix time, UTC)."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def parse_time(value: object) -> int:
    """Milliseconds of Unix time of an RFC 3339 time.

    Raises:
        ValueError: not such a time, or without an offset from UTC.
    """
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        raise ValueError("a time is RFC 3339 with an offset from UTC: write it as 2026-05-04T10:30:00Z or ...+02:00")
    return (datetime.fromisoformat(value.upper()) - _EPOCH) // _MILLISECOND


def show_time(ms: int | None) -> str | None:
    """RFC 3339 in UTC with milliseconds, or None for None."""
    if ms is None:
        return None
    return (_EPOCH + ms * _MILLISECOND).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


Moment = Annotated[int, BeforeValidator(parse_time), WithJsonSchema({"type": "string", "format": "date-time"})]
