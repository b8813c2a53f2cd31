"""What `/metrics` shows: this process, all live workers, and the gauges of the whole service read at that moment."""

import asyncio
from typing import Final

import structlog

from index.errors import GalleryError, NoSpace
from index.records.processes import ProcessReport
from index.records.queues import queue_figures
from service.api.parts import Parts
from service.metrics import ServerFigures, labelled, merge, render, server_gauges

logger = structlog.get_logger(__name__)

_LOOK_S: Final = 5.0


async def scrape(parts: Parts) -> str:
    """The text of one scrape. It is answered without the store too, with what this process knows by itself."""
    reports: list[ProcessReport] = []
    figures: ServerFigures | None = None
    try:
        async with asyncio.timeout(_LOOK_S):
            reports = await parts.workers.all()
            figures = await _figures(parts, reports)
    except NoSpace:
        figures = _empty(parts)
    except (GalleryError, TimeoutError) as error:
        logger.warning("the store was not there for a scrape", error=str(error))
    parts.metrics.media_free.set(await _media_free(parts))
    families = parts.metrics.collect() + server_gauges(figures)
    for report in reports:
        try:
            families += labelled(report.metrics, report.name)
        except ValueError:
            logger.warning("a worker published metrics that cannot be read", process=report.name)
    return render(merge(families))


async def _media_free(parts: Parts) -> int:
    try:
        async with asyncio.timeout(_LOOK_S):
            return await asyncio.to_thread(parts.media.free_bytes)
    except (OSError, TimeoutError) as error:
        logger.warning("the media folder was not there for a scrape", error=str(error))
        return 0


async def _figures(parts: Parts, reports: list[ProcessReport]) -> ServerFigures:
    records = await parts.active.get()
    space = records.space
    statistics = await records.items.statistics()
    store = await queue_figures(parts.redis, space.id)
    own = [report for report in reports if report.space_id == space.id]
    return ServerFigures(
        queue_items={queue.queue: queue.items for queue in store.queues},
        queue_oldest_s={queue.queue: queue.oldest_s for queue in store.queues},
        slots_used=store.slots,
        dead_letters=store.dead_letters,
        gallery_tracks={"video": statistics.videos, "image": statistics.images},
        gallery_version=statistics.seq,
        log_lag={report.name: max(0, statistics.seq - report.applied_seq) for report in own},
        workers_ready=sum(report.ready for report in own),
        durable=parts.durability.durable,
        space={
            "space": space.id,
            "encoder": space.encoder,
            "trained": str(space.trained).lower(),
            "licence": space.licence,
        },
    )


def _empty(parts: Parts) -> ServerFigures:
    """The store is there and no worker ever was."""
    return ServerFigures({}, {}, {}, 0, {}, 0, {}, 0, parts.durability.durable, {"space": "none"})
