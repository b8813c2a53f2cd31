"""Ids that sort by time."""

import secrets
import time


def new_id() -> str:
    """32 hex digits: milliseconds of Unix time (12), then 80 random bits."""
    return f"{int(time.time() * 1000):012x}{secrets.token_hex(10)}"


def track_id(item_id: str, ordinal: int) -> str:
    """A track's id: its item's and its place in it."""
    return f"{item_id}-{ordinal:04d}"
