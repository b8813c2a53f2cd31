"""`vills compare`: studies of several ways to train, from data sets to one table."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from service.commands.evaluating import check_places
from service.commands.failures import UserError
from service.commands.progress import counted
from service.commands.training import Cache, Data, Out, StemWeights, Weights, run_place


def compare(
    studies: Annotated[
        list[str],
        typer.Argument(
            metavar="STUDY...", help="Names of studies that come with the product, or .toml files; one table of all."
        ),
    ],
    out: Out,
    data: Data,
    cache: Cache = None,
    weights: Weights = None,
    stem_weights: StemWeights = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures as JSON.")] = None,
) -> None:
    """Train every variant of a study alike, test all of them, and print one table. Goes on where it was stopped."""
    from model.study.config import read_study
    from model.study.run import check_data, run_study
    from model.study.table import as_table

    check_places(json_file)
    names = [Path(study).stem for study in studies]
    if len(set(names)) < len(names):
        raise UserError(f"two of the studies have one name, and so one folder: {', '.join(studies)}")
    plans = [read_study(study) for study in studies]
    place = run_place(out, data, cache, weights, stem_weights, None)
    missing = sorted({test.data for plan in plans for test in plan.tests} - place.data.keys())
    if missing:
        raise UserError(f"a study tests on {', '.join(missing)}, and no folder is given: --data {missing[0]}=DIR")
    for plan in plans:
        check_data(plan, place)
    results = [
        result
        for name, plan in zip(names, plans, strict=True)
        for result in run_study(plan, out / name, place, counted, lambda text: typer.echo(text, err=True))
    ]
    if json_file is not None:
        json_file.write_text(json.dumps([asdict(each) for each in results], indent=2) + "\n")
    typer.echo(as_table(results))
