"""`vills walkers`: drawn people as a data set."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from service.commands.failures import UserError, settings_with

Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder for the pictures and `manifest.csv`; it must be empty.")]
People = Annotated[int, typer.Option(min=1, help="To train on.")]
TestPeople = Annotated[int, typer.Option(min=1, help="To be tested with; none of them is trained on.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed draws the same pixels.")]
Vary = Annotated[
    Literal["clothes", "details", "gait"],
    typer.Option(
        help="clothes: people differ in all they are and wear; details: four each are alike but for pattern, bag, "
        "hair and gait; gait: in the time their limbs keep alone."
    ),
]


def walkers(
    out: Out, people: People = 200, test_people: TestPeople = 100, seed: Seed = 1, vary: Vary = "clothes"
) -> None:
    """Draw walkers before two cameras, 16 dense frames a track, for `--data csv=DIR`: to train, query and gallery."""
    from service.commands.progress import progress
    from service.demo.walkers.draw import Plan, draw_walkers

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is not an empty folder: name another with --out, so that data sets do not mix")
    processes = settings_with().threads or len(os.sched_getaffinity(0))
    plan = Plan(people, test_people, seed, vary)
    try:
        with progress("drawing tracks", plan.tracks) as step:
            path = draw_walkers(out, plan, processes=processes, step=step)
        typer.echo(f"drawn: {path}")
    except OSError as error:
        raise UserError(f"walkers cannot be drawn into {out} ({error}): name another folder with --out") from error
