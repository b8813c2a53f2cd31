"""`vills bench`: speed, memory and recovery of the service on this machine."""

import sys
from pathlib import Path
from typing import Annotated

import typer

TABLE_WIDTH = 150  # where no terminal says how wide it is


def bench(
    part: Annotated[
        list[str] | None,
        typer.Argument(
            help="encode (the encoder beside its bare trunk), start, queries, ingest, recovery; all when none is named."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the figures as JSON.")] = None,
    encoder: Annotated[list[str] | None, typer.Option(help="Encoders to measure; repeatable.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds whose median is reported.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of one throughput loop.")] = 6.0,
    tracks: Annotated[int, typer.Option(min=1, help="Size of the gallery that is searched.")] = 10_000,
) -> None:
    """Measure the service beside the bare encoder, in one run; medians, as a table and as JSON."""
    from rich.console import Console

    from service.bench.run import PARTS, BenchPlan, run_bench
    from service.settings import Settings

    unknown = sorted(set(part or ()) - set(PARTS))
    if unknown:
        raise typer.BadParameter(f"no such part: {', '.join(unknown)}; the parts are {', '.join(PARTS)}")
    parts = [name for name in PARTS if not part or name in part]
    plan = BenchPlan(parts=parts, rounds=rounds, seconds=seconds, tracks=tracks)
    if encoder:
        plan = BenchPlan(parts=parts, encoders=encoder, rounds=rounds, seconds=seconds, tracks=tracks)
    console = Console(stderr=True)
    report = run_bench(Settings(), plan, console)
    report.show(Console(width=None if sys.stdout.isatty() else TABLE_WIDTH))
    if out is not None:
        report.write(out)
