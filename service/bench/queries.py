"""Image queries over HTTP: one at a time, and as many as the machine takes."""

import asyncio
import statistics
from collections.abc import Sequence

import httpx

from service.bench.bare import Bare, LoopCost
from service.bench.load import LoadResult, run_load, upload_request
from service.bench.report import Report
from service.bench.service import ProcessorTime, processor_time
from service.local.supervisor import LocalService

OVERHEAD_MS = 5.0
LATENCY_QUERIES = 40
CONCURRENCY = 64
MOST_CPU_MS = 3.5


def measure_latency(service: LocalService, bare: Bare, pictures: Sequence[bytes], rounds: int, report: Report) -> None:
    """p50 of single queries beside decode + encode + search called directly, round by round."""
    served, direct = [], []
    for _ in range(rounds):
        direct.append(bare.query_seconds(pictures[:LATENCY_QUERIES], k=10) * 1000)
        served.append(_served_ms(service.base_url, pictures[:LATENCY_QUERIES]))
    report.add("one image query, bare decode + encode + search, p50", "ms", direct)
    report.add("one image query over HTTP, p50", "ms", served, most=statistics.median(direct) + OVERHEAD_MS)


def _served_ms(base_url: str, pictures: Sequence[bytes]) -> float:
    """One query at a time on one connection; the client's own share is a fraction of a millisecond."""
    requests = [upload_request("/query/image", "q.jpg", picture, {"k": "10"}) for picture in pictures]
    result = asyncio.run(_load(base_url, requests, len(requests), concurrency=1))
    if result.errors:
        raise RuntimeError(f"queries were answered with {dict(result.statuses)}: {result.last_body[:300]!r}")
    return statistics.median(result.latencies_s) * 1000


def measure_throughput(
    service: LocalService,
    bare: Bare,
    pictures: Sequence[bytes],
    rounds: int,
    seconds: float,
    least: float,
    report: Report,
) -> None:
    """Saturated queries beside the encoder alone at full batches; processor time of each part of the service."""
    name = bare.encoder.card.name
    batch = service.settings.batch_items
    requests = [upload_request("/query/image", "q.jpg", picture, {"k": "10"}) for picture in pictures]
    loops: list[LoopCost] = []
    loads: list[LoadResult] = []
    costs: list[ProcessorTime] = []
    for _ in range(rounds):
        loops.append(bare.encoder_loop(batch, frames=1, seconds=seconds))
        before = processor_time(service)
        total = max(CONCURRENCY * 2, int(loops[-1].per_second * seconds))
        loads.append(asyncio.run(_load(service.base_url, requests, total)))
        costs.append(processor_time(service) - before)
    report.add(f"{name}: encoder alone, batches of {batch}", "images/s", [loop.per_second for loop in loops])
    report.add(f"{name}: saturated image queries", "queries/s", [load.per_second for load in loads])
    ratios = [load.per_second / loop.per_second for load, loop in zip(loads, loops, strict=True)]
    report.add(f"{name}: saturated queries / encoder alone", "ratio", ratios, least=least)
    report.add(f"{name}: errors under load", "answers", [float(load.errors) for load in loads], most=0)
    _report_processor_time(name, loads, loops, costs, report)


def _report_processor_time(
    name: str, loads: Sequence[LoadResult], loops: Sequence[LoopCost], costs: Sequence[ProcessorTime], report: Report
) -> None:
    parts: dict[str, list[float]] = {"api": [], "api decoders": [], "store": [], "worker beside the encoder": []}
    for load, loop, cost in zip(loads, loops, costs, strict=True):
        per_query = 1000 / len(load.latencies_s)
        parts["api"].append(cost.api * per_query)
        parts["api decoders"].append(cost.api_decoders * per_query)
        parts["store"].append(cost.store * per_query)
        parts["worker beside the encoder"].append((cost.worker + cost.worker_decoders) * per_query - loop.cpu_s * 1000)
    for part, values in parts.items():
        report.add(f"{name}: processor time of a query, {part}", "ms", values)
    sums = [sum(values) for values in zip(*parts.values(), strict=True)]
    report.add(f"{name}: processor time of a query outside the encoder", "ms", sums, most=MOST_CPU_MS)


async def _load(base_url: str, requests: Sequence[bytes], total: int, *, concurrency: int = CONCURRENCY) -> LoadResult:
    url = httpx.URL(base_url)
    return await run_load(url.host, url.port or 80, requests, concurrency=concurrency, total=total)
