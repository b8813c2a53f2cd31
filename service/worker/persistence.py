"""The server's append-only file: rewritten, so that what was erased is no longer in it."""

import asyncio
import logging

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from index.records.connection import answered

logger = logging.getLogger(__name__)
# A rewrite tells nobody when it is done. A small file takes milliseconds, a large one minutes: looks grow apart.
FIRST_LOOK_S, LAST_LOOK_S = 0.1, 3.0


class RewriteFailed(Exception):
    """The server could not rewrite its append-only file."""


async def rewrite_append_only_file(redis: Redis) -> None:
    """Rewrite the file and wait until the new one is in place. Nothing to do on a server without one.

    Raises:
        RewriteFailed: the server tried and failed; its log says why.
        StoreUnavailable: it does not answer.
    """
    with answered():
        if not (await redis.info("persistence"))["aof_enabled"]:
            return
        await _until_idle(redis)  # a rewrite that began before us may still carry what was erased
        try:
            await redis.bgrewriteaof()
        except ResponseError as error:
            raise RewriteFailed(str(error)) from error
        if not await _until_idle(redis):
            raise RewriteFailed("the server could not rewrite its append-only file; its own log says why")


async def _until_idle(redis: Redis) -> bool:
    """Wait until no rewrite is under way or about to be; whether the last one went well."""
    wait_s = FIRST_LOOK_S
    while True:
        persistence = await redis.info("persistence")
        if not (persistence["aof_rewrite_in_progress"] or persistence.get("aof_rewrite_scheduled")):
            return bool(persistence["aof_last_bgrewrite_status"] == "ok")
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, LAST_LOOK_S)
