"""Times on the wire."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.times import parse_time, show_time


@given(
    st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(9990, 1, 1)),
    st.integers(-14 * 60, 14 * 60),
)
def test_times_come_back(moment: datetime, offset_minutes: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    ms = parse_time(aware.isoformat())
    shown = show_time(ms)
    assert shown is not None
    assert shown.endswith("Z")
    assert parse_time(shown) == ms
    assert abs(datetime.fromisoformat(shown) - aware) < timedelta(milliseconds=1)


@pytest.mark.parametrize("text", ["2026-05-04T10:30:00Z", "2026-05-04t10:30:00z", "2026-05-04 12:30:00.0+02:00"])
def test_spellings(text: str) -> None:
    assert show_time(parse_time(text)) == "2026-05-04T10:30:00.000Z"


@pytest.mark.parametrize("text", ["", "2026-05-04", "2026-05-04T10:30:00", "1714818600", "2026-02-30T10:00:00Z", 17])
def test_what_is_no_time(text: object) -> None:
    with pytest.raises(ValueError, match=r"offset|day|month"):
        parse_time(text)


def test_no_time_is_no_time() -> None:
    assert show_time(None) is None
