"""The worker's composition root: the only file here that names concrete encoders, stores and indexes."""

import asyncio
import logging
import os
import secrets
import signal
import socket
from pathlib import Path

import uvloop
from redis.asyncio import Redis

from index.errors import SpaceMismatch, StoreUnavailable
from index.records.connection import connect, durability
from index.records.erase import Erasure
from index.records.items import Items
from index.records.log import Log
from index.records.orphans import Orphans
from index.records.processes import Processes
from index.records.queries import Queries
from index.records.spaces import Spaces
from index.records.work import Work
from index.space import Space
from index.vectors.gallery import Gallery
from index.vectors.snapshots import load, prune
from model.encoder import Encoder, EncoderCard
from model.errors import DeviceFailed, ModelError
from service.decode.limits import decode_limits
from service.decode.pool import DecoderPool
from service.logs import set_up_logging
from service.media import MediaStore
from service.metrics import WorkerMetrics
from service.settings import Settings
from service.worker.batcher import Batcher
from service.worker.chosen_encoder import chosen_encoder
from service.worker.clock import ServerClock
from service.worker.compaction import Compaction
from service.worker.encoding import Clip, Vector, encode_clips
from service.worker.erasures import Erasures
from service.worker.heartbeats import Heartbeats
from service.worker.ingest import Ingest, IngestPolicy
from service.worker.item_encoder import ItemEncoder
from service.worker.lanes import BatchPolicy
from service.worker.log_applier import LogApplier
from service.worker.queries import QueryPolicy, QueryReader
from service.worker.retries import Retries
from service.worker.snapshots import Snapshots
from service.worker.sweep import Sweep
from service.worker.view import GalleryView
from service.worker.worker import Worker

logger = logging.getLogger(__name__)

# Exit codes. Whoever restarts workers should not restart one that was misconfigured.
STOPPED = 0
FAILED = 1
MISCONFIGURED = 2
OTHER_SPACE = 3
DEVICE_FAILED = 4

QUERIES_IN_FLIGHT_BATCHES = 3  # one in the core, one that waits for it, one being read
QUERY_CROPS_PREFIX = "queries"


def run(settings: Settings) -> int:
    """Run one worker until SIGTERM or SIGINT; its exit code."""
    name = f"worker-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
    set_up_logging(settings.log_level, settings.log_format, process=name)
    if settings.redis_url is None:
        logger.error("VILLS_REDIS_URL is not set: a worker by itself needs a server; `vills up` brings its own")
        return MISCONFIGURED
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, settings.redis_url, name))
    except SpaceMismatch as error:
        logger.error("%s", error)
        return OTHER_SPACE
    except StoreUnavailable as error:
        logger.error("%s", error)
        return FAILED
    except ModelError as error:
        logger.error("the encoder %s cannot be used: %s", settings.encoder, error)
        return DEVICE_FAILED if isinstance(error, DeviceFailed) else MISCONFIGURED
    except BaseException as error:
        logger.critical("the worker failed", exc_info=error)
        return DEVICE_FAILED if _is_among(DeviceFailed, error) else FAILED
    return STOPPED


async def _serve(settings: Settings, redis_url: str, name: str) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    redis = await connect(redis_url)
    try:
        encoder = await asyncio.to_thread(chosen_encoder, settings)
        worker = await build_worker(settings, redis, encoder, name)
        await worker.run(stopping)
    finally:
        await redis.aclose()


async def build_worker(settings: Settings, redis: Redis, encoder: Encoder, name: str) -> Worker:
    """Put a worker together: registers the encoder's space and loads its gallery's newest snapshot.

    Raises:
        SpaceMismatch: the gallery is of another encoder.
        StoreUnavailable: the store does not answer.
    """
    space = space_of(encoder.card)
    _log_card(encoder.card, space)
    await Spaces(redis).register(space, activate_new=settings.new_space)
    await _warn_unless_durable(redis)
    sampling = encoder.card.sampling
    metrics = WorkerMetrics()
    media = MediaStore(settings.media_root, scratch_dir=settings.scratch_dir)
    clock = ServerClock()
    await clock.sync(redis)
    log, items, processes = Log(redis, space.id), Items(redis, space.id), Processes(redis)
    snapshot_root = settings.data_dir / "snapshots"
    view = await _load_view(snapshot_root, space)
    batcher: Batcher[Clip, Vector] = Batcher(
        encode_clips(encoder),
        BatchPolicy(settings.batch_items, settings.batch_wait_s),
        prepare=lambda: encoder.warm_up(settings.batch_items),
        fatal=(DeviceFailed,),
        observe=lambda report: metrics.observe_batch(report.n_items),
    )
    decoders = DecoderPool(decode_limits(settings), children=settings.decoders)
    work = Work(redis, space.id, name, lease_s=settings.lease_s, max_attempts=settings.max_attempts)
    snapshots = Snapshots(
        snapshot_root,
        space.id,
        view,
        log,
        processes,
        every_entries=settings.snapshot_entries,
        newest=view.version,
        oldest=await asyncio.to_thread(prune, snapshot_root, space.id, keep=2),
    )
    retries = Retries(work)
    return Worker(
        batcher=batcher,
        decoders=decoders,
        queries=QueryReader(
            Queries(redis, space.id),
            name,
            batcher,
            media,
            view,
            clock,
            sampling,
            metrics,
            QueryPolicy(most_in_flight=QUERIES_IN_FLIGHT_BATCHES * settings.batch_items),
        ),
        ingest=Ingest(
            work,
            ItemEncoder(space.id, items, media, decoders, batcher, sampling, metrics),
            metrics,
            _ingest_policy(settings),
            retry_planned=retries.planned,
            lost=view.erased.set,
        ),
        heartbeats=Heartbeats(name, space.id, processes, view, snapshots, clock, redis, metrics),
        background=(
            LogApplier(log, items, view, lambda: Gallery(space.dimension), name, metrics, rebuilt=snapshots.rebuilt),
            Compaction(view),
            snapshots,
            Erasures(name, space.id, Erasure(redis, space.id), log, processes, view, snapshots, media, redis),
            retries,
            Sweep(
                media,
                items,
                Orphans(redis, space.id),
                space_id=space.id,
                query_prefix=QUERY_CROPS_PREFIX,
                query_life_s=4 * settings.query_deadline_s,
            ),
        ),
        drain_s=settings.drain_s,
    )


def space_of(card: EncoderCard) -> Space:
    """The space that an encoder with this card embeds into."""
    return Space(
        id=f"{card.name}-{card.fingerprint}",
        encoder=card.name,
        dimension=card.dimension,
        frames=card.sampling.frames,
        max_clips=card.sampling.max_clips,
        height=card.sampling.height,
        width=card.sampling.width,
        fingerprint=card.fingerprint,
        trained=card.trained,
        licence=card.licence,
        training_data=card.training_data,
        rule=card.sampling.rule,
        calibration=card.calibration,
    )


async def _load_view(root: Path, space: Space) -> GalleryView:
    gallery = await asyncio.to_thread(load, root, space.id, space.dimension)
    if gallery is None:
        return GalleryView(Gallery(space.dimension))
    logger.info("snapshot at log position %d loaded, %d tracks", gallery.version, gallery.count)
    return GalleryView(gallery)


def _ingest_policy(settings: Settings) -> IngestPolicy:
    return IngestPolicy(
        most_in_flight=2 * settings.decoders + 2,
        lease_s=settings.lease_s,
        renew_s=settings.renew_s,
        retry_delay_s=settings.retry_delay_s,
    )


async def _warn_unless_durable(redis: Redis) -> None:
    kept = await durability(redis)
    if not kept.durable:
        logger.warning("the store may lose what it acknowledged: %s", kept.reason)


def _log_card(card: EncoderCard, space: Space) -> None:
    logger.info(
        "encoder %s, space %s, licence %s, trained on: %s", card.name, space.id, card.licence, card.training_data
    )
    if not card.trained:
        logger.warning("encoder %s is untrained: what it finds similar means nothing", card.name)


def _is_among(wanted: type[Exception], error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(_is_among(wanted, each) for each in error.exceptions)
    return isinstance(error, wanted)
