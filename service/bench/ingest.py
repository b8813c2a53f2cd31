"""Ingest of short tracklets over HTTP, beside decoding and encoding them in one loop."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from service.bench.bare import Bare
from service.bench.load import run_load, upload_request
from service.bench.report import Report
from service.decode.limits import decode_limits
from service.local.supervisor import LocalService

CONCURRENCY = 8
LEAST_RATIO = 0.8


def measure_ingest(service: LocalService, bare: Bare, clips: Sequence[Path], rounds: int, report: Report) -> None:
    """Tracklets a second from the first byte sent until the last one is searchable."""
    limits = decode_limits(service.settings)
    direct, served = [], []
    for _ in range(rounds):
        direct.append(len(clips) / bare.ingest_seconds(clips, limits))
        served.append(len(clips) / _served_seconds(service.base_url, clips))
    report.add("tracklets, bare decode + encode", "tracklets/s", direct)
    report.add("tracklets uploaded until searchable", "tracklets/s", served)
    ratios = [one / other for one, other in zip(served, direct, strict=True)]
    report.add("ingest / bare decode + encode", "ratio", ratios, least=LEAST_RATIO)


def _served_seconds(base_url: str, clips: Sequence[Path]) -> float:
    url = httpx.URL(base_url)
    requests = [upload_request("/gallery/videos?wait=60", path.name, path.read_bytes(), {}) for path in clips]
    begun = time.perf_counter()
    result = asyncio.run(run_load(url.host, url.port or 80, requests, concurrency=CONCURRENCY, total=len(clips)))
    seconds = time.perf_counter() - begun
    if result.statuses != {201: len(clips)}:
        raise RuntimeError(
            f"uploads were answered with {dict(result.statuses)}, not 201 each: {result.last_body[:300]!r}"
        )
    return seconds
