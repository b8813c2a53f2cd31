"""Times as people write them (RFC 3339, with an offset) and as records keep them (milliseconds of Unix time, UTC)."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
# What may be said. Well inside of what `datetime` can hold, so that neither an offset from UTC nor the length of a clip
# leads out of it.
_EARLIEST, _LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
# What can be shown.
_FIRST_MS = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND
_LAST_MS = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND
_SPELLING = "a time is RFC 3339 with an offset from UTC: write it as 2026-05-04T10:30:00Z or ...+02:00"


def parse_time(value: object) -> int:
    """Milliseconds of Unix time of an RFC 3339 time from 1900 to 9000.

    Raises:
        ValueError: not such a time, without an offset from UTC, no date of the calendar, or outside of those years.
    """
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        raise ValueError(_SPELLING)
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError as error:
        raise ValueError(f"{_SPELLING}; {value[:40]} has a day, hour or offset that does not exist") from error
    if not _EARLIEST <= moment <= _LATEST:
        raise ValueError(
            f"a time lies from 1900-01-01T00:00:00Z to 9000-01-01T00:00:00Z and {value[:40]} does not: "
            "correct the year, or leave the time out"
        )
    return (moment - _EPOCH) // _MILLISECOND


def show_time(ms: int | None) -> str | None:
    """RFC 3339 in UTC with milliseconds, or None for None.

    A record beyond the years 1 to 9999 is shown as the nearest moment within: one odd record must not break a list.
    """
    if ms is None:
        return None
    moment = _EPOCH + min(max(ms, _FIRST_MS), _LAST_MS) * _MILLISECOND
    # Not strftime: where the C library is glibc, its %Y writes the year 33 as `33`.
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment = Annotated[int, BeforeValidator(parse_time), WithJsonSchema({"type": "string", "format": "date-time"})]
