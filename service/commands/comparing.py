"""`vills compare`: studies of several ways to train, from data sets to one table."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from model.shipped import shipped
from service.commands.evaluating import check_places, write_json
from service.commands.failures import UserError
from service.commands.progress import counted
from service.commands.training import Cache, Data, Pose, StemWeights, run_place

if TYPE_CHECKING:
    from model.study.config import Study


def compare(
    studies: Annotated[
        list[str],
        typer.Argument(
            metavar="STUDY",
            help=f"Studies that come with the product ({', '.join(shipped('configs/studies'))}), or .toml files; one "
            "table of all.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(help="Folder of all runs and of what they found: STUDY/VARIANT/SEED. Goes on where it stands."),
    ],
    data: Data,
    cache: Cache = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="Weights to start from: they have to fit every variant that begins its first run."),
    ] = None,
    stem_weights: StemWeights = None,
    pose: Pose = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="VARIANT", help="This variant alone; may be given several times.")
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option(metavar="N", help="This seed alone; may be given several times.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures as JSON.")] = None,
) -> None:
    """Train every variant of a study alike, test all of them, and print one table, and one of what a study claims. Goes
    on where it was stopped."""
    from model.study.check import ready_study
    from model.study.config import read_study
    from model.study.cost import clip_times
    from model.study.run import run_study
    from model.study.table import as_table, claims_table

    check_places(json_file)
    names = [Path(study).stem for study in studies]
    if len(set(names)) < len(names):
        raise UserError(f"two of the studies have one name, and so one folder: {', '.join(studies)}")
    plans = {name: read_study(study) for name, study in zip(names, studies, strict=True)}
    _check_overlap(plans)
    _check_pose(plans, pose)
    only, seed = only or [], seed or []
    _check_choice(plans, only, seed)
    place = replace(run_place(out, data, cache, weights, stem_weights), pose=pose)
    ready = {name: ready_study(plan, out / name, place, only=only, seeds=seed) for name, plan in plans.items()}
    told = partial(typer.echo, err=True)
    results = {name: run_study(each, counted, told, only=only, seeds=seed) for name, each in ready.items()}
    published = {one.name: one.published for plan in plans.values() for one in plan.variants if one.published}
    # A variant of several studies is timed in the first of them.
    shown = {result.variant for each in results.values() for result in each}
    variants = {one.name: (ready[name], one) for name in reversed(names) for one in plans[name].variants}
    times = clip_times({name: variants[name] for name in variants if name in shown})
    typer.echo(as_table([result for each in results.values() for result in each], times, published))
    if asked := claims_table([(results[name], plan.claims) for name, plan in plans.items()]):
        typer.echo(f"\n{asked}")
    if json_file is not None:
        rows = [(name, one) for name, each in results.items() for one in each]
        write_json(json_file, [{"study": name, **asdict(one), "clip_ms": times[one.variant]} for name, one in rows])


def _check_choice(plans: "Mapping[str, Study]", only: list[str], seeds: list[int]) -> None:
    """A name that no study has would choose nothing without a word."""
    from model.study.config import chosen

    names = {one.name for plan in plans.values() for one in plan.variants}
    numbers = {seed for plan in plans.values() for seed in plan.seeds}
    if unknown := [name for name in only if name not in names]:
        raise UserError(f"no variant is called {', '.join(unknown)}: there are {', '.join(sorted(names))}")
    if missing := [seed for seed in seeds if seed not in numbers]:
        raise UserError(f"no study has the seed {', '.join(map(str, missing))}: there are {sorted(numbers)}")
    if not any(chosen(plan, only, seeds) for plan in plans.values()):
        raise UserError("no study has these variants with these seeds: leave --only or --seed out")


def _check_overlap(plans: "Mapping[str, Study]") -> None:
    """Two ways to come by one cell of the table would be taken for two seeds of one."""
    from model.study.config import asked_in, column_of

    seen: dict[tuple[str, ...], str] = {}
    for name, plan in plans.items():
        for test, variant in product(plan.tests, plan.variants):
            for asked in asked_in(test):
                other = seen.setdefault((variant.name, *asked), name)
                if other != name:
                    raise UserError(
                        f"{other} and {name} both test {variant.name} on {column_of(*asked)}, which one table cannot "
                        "tell apart: run them one after the other, or call the variant something else in one"
                    )


def _check_pose(plans: "Mapping[str, Study]", pose: Path | None) -> None:
    from model.study.config import runs_of
    from model.training.config import PretrainConfig

    variants = [(plan, variant) for plan in plans.values() for variant in plan.variants]
    runs = [run for plan, variant in variants for _, run in runs_of(plan, variant, plan.seeds[0])]
    if pose is not None and not any(isinstance(run, PretrainConfig) and run.regions.proposer == "pose" for run in runs):
        raise UserError(
            f"nothing would read --pose {pose}, for no run takes its regions from body keypoints: leave it out, or "
            'change a variant, pretrain = { "regions.proposer" = "pose" }'
        )
