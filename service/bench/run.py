"""`vills bench`: everything that is measured, side by side in one run."""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from rich.console import Console

from service.bench.bare import Bare
from service.bench.filling import fill
from service.bench.ingest import measure_ingest
from service.bench.lifecycle import measure_recovery, measure_start
from service.bench.pictures import clip, jpeg
from service.bench.queries import measure_latency, measure_throughput
from service.bench.report import Report
from service.bench.service import START_TIMEOUT_S, measured_service
from service.settings import Settings
from service.worker.chosen_encoder import chosen_encoder

Part = Literal["encode", "start", "queries", "ingest", "recovery"]
PARTS: tuple[Part, ...] = get_args(Part)
# Saturated queries against the encoder alone: the smaller the encoder, the more the way to it weighs.
LEAST_RATIO = {"vills-tiny": 0.6, "vills-small": 0.8}
LONG_CLIP_FRAMES, SHORT_CLIP_FRAMES = 2000, 16


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """What to measure, and how long."""

    parts: Sequence[Part] = PARTS
    encoders: Sequence[str] = ("vills-tiny", "vills-small")
    rounds: int = 5
    seconds: float = 6.0  # of each throughput loop
    tracks: int = 10_000
    n_pictures: int = 64
    n_clips: int = 24


def run_bench(settings: Settings, plan: BenchPlan, console: Console) -> Report:
    """Measure all parts of the plan; says on `console` what it is at.

    Raises:
        RuntimeError: the service answered something it must not.
    """
    report = Report(notes={"tracks": plan.tracks, "rounds": plan.rounds, "threads": settings.threads})
    first = settings.model_copy(update={"encoder": plan.encoders[0]})
    if "encode" in plan.parts:
        for encoder in plan.encoders:
            _measure_encoder(settings.model_copy(update={"encoder": encoder}), plan, report, console)
    with tempfile.TemporaryDirectory(prefix="vills-bench-clips-") as folder:
        if "start" in plan.parts:
            console.print("start: seconds until ready, memory")
            measure_start(first, plan.rounds, report)
        for encoder in plan.encoders if {"queries", "ingest"} & set(plan.parts) else ():
            console.print(f"{encoder}: queries and ingest")
            _measure_serving(settings.model_copy(update={"encoder": encoder}), plan, Path(folder), report)
        if "recovery" in plan.parts:
            console.print("recovery: kill -9 of a worker in mid-job")
            long_clip = clip(np.random.default_rng(3), Path(folder) / "long.mp4", LONG_CLIP_FRAMES)
            measure_recovery(first, long_clip, plan.rounds, report)
    return report


def _measure_encoder(settings: Settings, plan: BenchPlan, report: Report, console: Console) -> None:
    encoder = chosen_encoder(settings)
    # Only now: how torch's threads wait is set when an encoder is built, and must be before torch is loaded.
    from model.vills.encoder import VillsEncoder
    from service.bench.encode import EncodePlan, measure_encode

    if not isinstance(encoder, VillsEncoder):
        console.print(f"{settings.encoder}: no trunk to compare with, left out of `encode`")
        return
    console.print(f"{settings.encoder}: encoder beside its bare trunk")
    measure_encode(encoder, EncodePlan(settings.batch_items, plan.rounds, plan.seconds), report)


def _measure_serving(settings: Settings, plan: BenchPlan, folder: Path, report: Report) -> None:
    rng = np.random.default_rng(5)
    pictures = [jpeg(rng) for _ in range(plan.n_pictures)]
    bare = Bare(settings, plan.tracks)
    is_first = settings.encoder == plan.encoders[0]
    with measured_service(settings, workers=0) as service:
        asyncio.run(fill(service.redis_url, bare.encoder.card, plan.tracks))
        service.add_worker()
        service.wait_ready(START_TIMEOUT_S)
        if "queries" in plan.parts:
            if is_first:
                measure_latency(service, bare, pictures, plan.rounds, report)
            least = LEAST_RATIO.get(settings.encoder, min(LEAST_RATIO.values()))
            measure_throughput(service, bare, pictures, plan.rounds, plan.seconds, least, report)
        if "ingest" in plan.parts and is_first:
            clips = [clip(rng, folder / f"{n}.mp4", SHORT_CLIP_FRAMES) for n in range(plan.n_clips)]
            measure_ingest(service, bare, clips, plan.rounds, report)
