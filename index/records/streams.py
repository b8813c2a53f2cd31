"""Streams of work: each entry is handed to one worker, and taken from it again when it falls silent."""

from typing import Any

from redis import exceptions

from index.records.connection import BytesRedis, answered
from index.records.keys import GROUP

Rows = list[tuple[bytes, dict[bytes, bytes]]]  # entry id, fields


async def make_group(redis: BytesRedis, stream: str) -> None:
    """Make the stream and its group, where they are not there yet. Nothing that already waits is left out."""
    try:
        await redis.xgroup_create(stream, GROUP, id="0", mkstream=True)
    except exceptions.ResponseError as error:
        if not str(error).startswith("BUSYGROUP"):
            raise


async def read_new(redis: BytesRedis, stream: str, consumer: str, count: int, block_ms: int) -> Rows:
    """Entries nobody was handed yet, waiting up to `block_ms` for the first."""
    with answered():
        reply = await redis.xreadgroup(GROUP, consumer, {stream: ">"}, count=count, block=block_ms)
    return rows_of(reply)


async def claim_idle(redis: BytesRedis, stream: str, consumer: str, idle_ms: int, count: int) -> Rows:
    """Up to `count` entries that their worker has not touched for `idle_ms`; they are this consumer's now.

    One call of the server looks at the oldest entries only, so those of busy workers could hide what a dead one left.
    """
    cursor: bytes | str = "0-0"
    while True:
        with answered():
            reply = await redis.xautoclaim(stream, GROUP, consumer, idle_ms, cursor, count=count)
        cursor, claimed = reply[0], [(entry_id, fields) for entry_id, fields in reply[1] if fields]
        if claimed or cursor in (b"0-0", "0-0"):
            return claimed


def rows_of(reply: Any) -> Rows:
    """The entries of the one stream in the answer of a blocking read; none when it waited in vain."""
    return [(entry_id, fields) for entry_id, fields in reply[0][1] if fields] if reply else []
