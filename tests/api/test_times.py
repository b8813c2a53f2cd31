"""Times on the wire."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.times import parse_time, show_time


@given(
    st.datetimes(min_value=datetime(1900, 1, 2), max_value=datetime(8999, 12, 30)),
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


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-05-04",
        "2026-05-04T10:30:00",
        "1714818600",
        "2026-02-30T10:00:00Z",
        "2026-02-03T25:00:00Z",
        "2026-02-03T10:00:00+24:00",
        17,
    ],
)
def test_what_is_no_time(text: object) -> None:
    with pytest.raises(ValueError, match="write it as 2026-05-04T10:30:00Z"):
        parse_time(text)


def test_no_time_is_no_time() -> None:
    assert show_time(None) is None


# Bug: all of these were taken. The first could not be shown again (OverflowError), nor the second plus a clip's length.
@pytest.mark.parametrize(
    "text", ["9999-12-31T23:59:59-10:00", "9999-12-31T23:59:59Z", "1899-12-31T23:59:59Z", "0001-01-01T00:00:00+10:00"]
)
def test_years_far_from_ours_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"from 1900-.* to 9000-.*correct the year") as caught:
        parse_time(text)
    assert text in str(caught.value)


def test_the_ends_are_taken() -> None:
    for text in ("1900-01-01T00:00:00.000Z", "9000-01-01T00:00:00.000Z"):
        assert show_time(parse_time(text)) == text


# Bug: a stored time that no datetime can hold was an OverflowError in every list that met it, and glibc's strftime
# wrote the year 33 as two digits.
@pytest.mark.parametrize(
    ("ms", "shown"),
    [
        (2**62, "9999-12-31T23:59:59.999Z"),
        (-(2**62), "0001-01-01T00:00:00.000Z"),
        (-61_125_753_600_000, "0033-01-01T00:00:00.000Z"),
    ],
)
def test_whatever_is_stored_is_shown(ms: int, shown: str) -> None:
    assert show_time(ms) == shown
