"""`vills compare`: a study of several ways to train, from data sets to one table."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from service.commands.evaluating import check_places
from service.commands.failures import UserError
from service.commands.progress import counted
from service.commands.training import Cache, Data, Out, Weights, run_place


def compare(
    study: Annotated[str, typer.Argument(help="A .toml file, or the name of a study that comes with the product.")],
    out: Out,
    data: Data,
    cache: Cache = None,
    weights: Weights = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures as JSON.")] = None,
) -> None:
    """Train every variant of a study alike, test all of them, and print one table. Goes on where it was stopped."""
    from model.study.config import read_study
    from model.study.run import run_study
    from model.study.table import as_table

    check_places(json_file)
    plan = read_study(study)
    place = run_place(out, data, cache, weights, None, None)
    missing = sorted({test.data for test in plan.tests} - place.data.keys())
    if missing:
        raise UserError(f"the study tests on {', '.join(missing)}, and no folder is given: --data {missing[0]}=DIR")
    results = run_study(plan, out, place, dict(place.data), counted, lambda text: typer.echo(text, err=True))
    if json_file is not None:
        json_file.write_text(json.dumps([asdict(each) for each in results], indent=2) + "\n")
    typer.echo(as_table(results))
