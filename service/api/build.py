"""The composition root of the api process: the only place where its parts are made and put together."""

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog
from redis.asyncio import Redis

from index.errors import StoreUnavailable
from index.records.api_keys import ApiKeys
from index.records.connection import connect, durability
from index.records.processes import Processes
from index.records.replies import Replies
from service.api.board import Board
from service.api.clock import ServerClock
from service.api.keyring import KeyRing, make_first_key
from service.api.parts import Parts
from service.api.records import ActiveRecords
from service.api.searching import Searcher
from service.api.slots import SlotKeeper
from service.api.storing import Storer
from service.api.waiting import Waiter
from service.api.workers import Workers
from service.decode.limits import decode_limits
from service.decode.pool import DecoderPool
from service.media import MediaStore
from service.metrics import ApiMetrics
from service.settings import Settings

logger = structlog.get_logger(__name__)

STALE_S: Final = 3600.0  # scratch files and query crops older than this belong to processes that were killed
_SYNC_S: Final = 60.0
_RECONNECT_S: Final = 0.5


def process_name() -> str:
    """A name no other api process has."""
    return f"api-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"


@asynccontextmanager
async def open_parts(settings: Settings, redis_url: str, process: str) -> AsyncIterator[Parts]:
    """All parts, alive for as long as the context lasts.

    Raises:
        StoreUnavailable: the store does not answer within ten seconds.
    """
    redis = await connect(redis_url)
    media = MediaStore(settings.media_root, scratch_dir=settings.scratch_dir)
    decoders = DecoderPool(decode_limits(settings), children=settings.decoders)
    board = Board()
    clock = ServerClock()
    try:
        await clock.sync(redis)
        # Children come up in the background: the first request that needs one waits for it, nobody else does.
        await decoders.start()
        parts = await _assemble(settings, process, redis, media, decoders, board, clock)
        background = [
            asyncio.create_task(_read_replies(redis, process, board)),
            asyncio.create_task(_keep_clock(redis, clock)),
            asyncio.create_task(_sweep(media)),
        ]
        try:
            yield parts
        finally:
            await _end(background)
    finally:
        await decoders.close()
        await redis.aclose()


async def _assemble(
    settings: Settings,
    process: str,
    redis: Redis,
    media: MediaStore,
    decoders: DecoderPool,
    board: Board,
    clock: ServerClock,
) -> Parts:
    keys = ApiKeys(redis)
    if not settings.loopback_only and not await keys.any():
        await make_first_key(keys, settings.data_dir)
    durable = await durability(redis)
    if not durable.durable:
        logger.warning("acknowledged uploads may be lost by a power cut", reason=durable.reason)
    active = ActiveRecords(redis)
    workers = Workers(Processes(redis))
    metrics = ApiMetrics()
    return Parts(
        settings=settings,
        process=process,
        redis=redis,
        durability=durable,
        keyring=KeyRing(keys, loopback_only=settings.loopback_only),
        active=active,
        workers=workers,
        slots=SlotKeeper(settings, active, workers),
        media=media,
        decoders=decoders,
        board=board,
        waiter=Waiter(board, workers),
        searcher=Searcher(
            process=process,
            board=board,
            clock=clock,
            media=media,
            metrics=metrics,
            deadline_s=settings.query_deadline_s,
        ),
        storer=Storer(media=media, decoders=decoders, clock=clock),
        metrics=metrics,
    )


async def _read_replies(redis: Redis, process: str, board: Board) -> None:
    """Feed the board for ever; a store that is away is tried again."""
    replies = Replies(redis, process)
    while True:
        try:
            await replies.run(board.take)
        except StoreUnavailable as error:
            logger.warning("replies cannot be read", error=str(error))
        except Exception:
            logger.exception("reading replies failed")
        await asyncio.sleep(_RECONNECT_S)


async def _keep_clock(redis: Redis, clock: ServerClock) -> None:
    while True:
        await asyncio.sleep(_SYNC_S)
        # A store that is away is noticed by everybody else; the old offset is good for a while.
        with suppress(Exception):
            await clock.sync(redis)


async def _sweep(media: MediaStore) -> None:
    """Remove what killed processes left behind."""
    try:
        n_files = await asyncio.to_thread(media.sweep_scratch, STALE_S)
        n_files += await asyncio.to_thread(media.sweep, "queries", STALE_S)
    except OSError as error:
        logger.warning("stale files could not be removed", error=str(error))
    else:
        if n_files:
            logger.info("removed stale files", files=n_files)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel until all are over: a cancellation can be lost in redis-py while it sets up a connection."""
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=0.1)
