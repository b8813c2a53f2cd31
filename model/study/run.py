"""Runs a study: every variant and seed is trained and tested; what is done already is not done again."""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from model.build import build_encoder
from model.encoder import Encoder
from model.evaluation.evaluate import compare, pictures_to_read, rescore
from model.evaluation.metrics import scores_of
from model.evaluation.protocols import Probe
from model.study.check import ReadyStudy
from model.study.config import Runs, Variant, asked_in, chosen, runs_of, trained_by
from model.study.cost import parameters
from model.study.restated import restated
from model.study.results import Result, keep
from model.training.place import Progress, RunPlace
from model.training.run import run
from model.training.system_config import SystemRun


def run_study(
    ready: ReadyStudy,
    progress: Progress,
    tell: Callable[[str], None],
    *,
    only: Collection[str] = (),
    seeds: Collection[int] = (),
) -> list[Result]:
    """All results of a study, or those of some variants and seeds (none chosen: all). What was stopped goes on.

    Raises:
        DataError, TrainingError, EvaluationError: as the single runs. `ready_study` tells what can be known before.
    """
    return [
        result
        for variant, seed in chosen(ready.study, only, seeds)
        for result in _results(ready, variant, seed, progress, tell)
    ]


def _results(
    ready: ReadyStudy, variant: Variant, seed: int, progress: Progress, tell: Callable[[str], None]
) -> list[Result]:
    found = ready.found(variant, seed)
    if found is None:
        progress = _announcing(f"{variant.name}, seed {seed}", progress, tell)
        runs = runs_of(ready.study, variant, seed)
        trained = ready.folder(trained_by(ready.study, variant), seed)
        weights = _trained(runs, replace(ready.place, out=trained), progress)
        with TemporaryDirectory() as folder:
            if variant.settings:
                weights = restated(weights, variant.settings, Path(folder) / weights.name)
            found = _tested(ready, variant, seed, weights, progress)
        keep(ready.folder(variant, seed), ready.grounds, variant, runs, found)
    return found


def _announcing(what: str, progress: Progress, tell: Callable[[str], None]) -> Progress:
    """`progress` that tells once what begins: before its first bar, which a run asks for when the folder is its own."""
    told = False

    def announced(bar: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        nonlocal told
        if not told:
            tell(what)
        told = True
        return progress(bar, total)

    return announced


def _trained(runs: Runs, place: RunPlace, progress: Progress) -> Path:
    weights = place.weights
    for name, config in runs:
        weights = run(config, replace(place, out=place.out / name, weights=weights), progress)
    assert weights is not None  # a variant has a run, and none is told to stop early
    return weights


def _tested(ready: ReadyStudy, variant: Variant, seed: int, weights: Path, progress: Progress) -> list[Result]:
    _, last = runs_of(ready.study, variant, seed)[-1]
    name = last.system if isinstance(last, SystemRun) else last.network.encoder
    encoder = build_encoder(name, weights=weights, device=ready.place.device, threads=ready.place.threads)
    size = parameters(weights)
    tests = ready.study.tests
    asked = [one for test in tests for one in asked_in(test)]
    probes = [probe for test in tests for probe in ready.probes(test)]  # together: each track is embedded once
    scores = _scored(encoder, probes, variant.rescore, f"{variant.name}: tests", progress)
    return [
        Result(variant.name, seed, data, protocol, rank1, mean, size, where, variant.rescore)
        for (data, protocol, where), (rank1, mean) in zip(asked, scores, strict=True)
    ]


def _scored(
    encoder: Encoder, probes: list[Probe], again: int, what: str, progress: Progress
) -> list[tuple[float, float]]:
    """Rank-1 and mAP of each probe; of each query the first `again` candidates are compared again."""
    with progress(what, pictures_to_read(probes, encoder.card.sampling)) as step:
        compared = compare(encoder, probes, step=step)
    if again:
        with progress(f"{what}, pairs", sum(len(probe.queries) for probe in probes)) as step:
            compared = [rescore(each, encoder, again, step=step) for each in compared]
    scores = [scores_of(each.reranked_answers() or each.answers()) for each in compared]
    return [(each.rank1, each.map) for each in scores]
