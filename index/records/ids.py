"""Ids that sort by time."""

import re
import secrets
import time

_ID = re.compile(r"[0-9a-f]{32}")


def new_id() -> str:
    """32 hex digits: milliseconds of Unix time (12), then 80 random bits."""
    return f"{int(time.time() * 1000):012x}{secrets.token_hex(10)}"


def is_id(text: str) -> bool:
    """Whether `new_id` may have made it."""
    return _ID.fullmatch(text) is not None


def track_id(item_id: str, ordinal: int) -> str:
    """A track's id: its item's and its place in it."""
    return f"{item_id}-{ordinal:04d}"
