"""The server's append-only file: rewritten, so that what was erased is no longer in it."""

import asyncio
import logging

from redis.asyncio import Redis
from redis.exceptions import ResponseError

logger = logging.getLogger(__name__)
LOOK_S = 2.0  # a rewrite tells nobody when it is done, so it is looked at this often


class RewriteFailed(Exception):
    """The server could not rewrite its append-only file."""


async def rewrite_append_only_file(redis: Redis) -> None:
    """Rewrite the file and wait until the new one is in place. Nothing to do on a server without one.

    Raises:
        RewriteFailed: the server tried and failed; its log says why.
    """
    persistence = await redis.info("persistence")
    if not persistence["aof_enabled"]:
        return
    while persistence["aof_rewrite_in_progress"] or persistence.get("aof_rewrite_scheduled"):
        await asyncio.sleep(LOOK_S)  # that one began before us and may still carry what was erased
        persistence = await redis.info("persistence")
    try:
        await redis.bgrewriteaof()
    except ResponseError as error:
        raise RewriteFailed(str(error)) from error
    while True:
        await asyncio.sleep(LOOK_S)
        persistence = await redis.info("persistence")
        if not (persistence["aof_rewrite_in_progress"] or persistence.get("aof_rewrite_scheduled")):
            break
    if persistence["aof_last_bgrewrite_status"] != "ok":
        raise RewriteFailed("the server's last rewrite of its append-only file failed; its own log says why")
