"""Runs a study: every variant and seed is trained and tested; what is done already is not done again."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from model.build import build_encoder
from model.data.build import load_dataset
from model.evaluation.evaluate import compare, pictures_to_read
from model.evaluation.metrics import scores_of
from model.evaluation.protocols import probe_of
from model.study.config import Study, Variant, finetune_config, pretrain_config
from model.training.config import Section
from model.training.errors import BadConfig
from model.training.record import CONFIG
from model.training.run import Progress, RunPlace, finetune, pretrain

RESULT = "result.json"
PRETRAIN, FINETUNE = "pretrain", "finetune"  # folders of the two runs


@dataclass(frozen=True, slots=True)
class Result:
    """One network of a study under one protocol; rates in per cent."""

    variant: str
    seed: int
    data: str
    protocol: str
    rank1: float
    map: float


def run_study(
    study: Study, out: Path, place: RunPlace, tests: dict[str, Path], progress: Progress, tell: Callable[[str], None]
) -> list[Result]:
    """All results of a study. `tests`: folders of the data sets it tests on. A study that was stopped goes on.

    Each run lies in `out`/variant/seed with its own checkpoint, metrics and weights.

    Raises:
        DataError, TrainingError, EvaluationError: as the single runs; of data that are missing, before the first.
    """
    _check_data(study, place, tests)
    results: list[Result] = []
    for seed in study.seeds:
        for variant in study.variants:
            folder = out / variant.name / str(seed)
            if not (folder / RESULT).exists():
                tell(f"{variant.name}, seed {seed}")
                _train_and_test(study, variant, seed, replace(place, out=folder), tests, progress)
            results += _results(study, variant, seed, folder)
    return results


def _check_data(study: Study, place: RunPlace, tests: dict[str, Path]) -> None:
    """What is missing must not show after hours: every data set that is trained or tested on is looked through."""
    for variant in study.variants:
        first = pretrain_config(study, variant, study.seeds[0])
        last = finetune_config(study, variant, study.seeds[0])
        for source in (*last.sources, *(() if first is None else first.sources)):
            if source.data not in place.data:
                raise BadConfig(
                    f"{variant.name} trains on {source.data} and no folder is given for it: --data {source.data}=DIR"
                )
    for test in study.tests:
        dataset = load_dataset(test.data, tests[test.data])
        for protocol in test.protocols:
            probe_of(dataset, protocol)


def _results(study: Study, variant: Variant, seed: int, folder: Path) -> list[Result]:
    """What was found, now or before. Raises BadConfig where the study was another one then."""
    file = folder / RESULT
    try:
        found = [Result(**each) for each in json.loads(file.read_text())]
        same = all(_was(run, config) for run, config in _runs(study, variant, seed, folder))
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise BadConfig(
            f"{file} or the run beside it cannot be read ({error}): remove {folder} to run it anew"
        ) from error
    wanted = {(test.data, protocol) for test in study.tests for protocol in test.protocols}
    if not same or {(each.data, each.protocol) for each in found} != wanted:
        raise BadConfig(
            f"{file} is of another configuration or other tests than the study now has for {variant.name}: give "
            f"another --out, or remove {folder} to run it anew"
        )
    return found


def _runs(study: Study, variant: Variant, seed: int, folder: Path) -> list[tuple[Path, Section]]:
    """The runs of a variant, in order, and what each is made with."""
    first, last = pretrain_config(study, variant, seed), finetune_config(study, variant, seed)
    runs: list[tuple[Path, Section]] = [] if first is None else [(folder / PRETRAIN, first)]
    return [*runs, (folder / FINETUNE, last)]


def _was(run: Path, config: Section) -> bool:
    """Whether a run that is done was made with this configuration."""
    return bool(json.loads((run / CONFIG).read_text())["config"] == json.loads(config.model_dump_json()))


def _train_and_test(
    study: Study, variant: Variant, seed: int, place: RunPlace, tests: dict[str, Path], progress: Progress
) -> None:
    weights = _trained(study, variant, seed, place, progress)
    found = _tested(study, variant, seed, weights, place, tests, progress)
    beside = place.out / f"{RESULT}.part"
    beside.write_text(json.dumps([asdict(each) for each in found], indent=2) + "\n")
    beside.replace(place.out / RESULT)


def _trained(study: Study, variant: Variant, seed: int, place: RunPlace, progress: Progress) -> Path:
    first = pretrain_config(study, variant, seed)
    start = place.weights if first is None else pretrain(first, replace(place, out=place.out / PRETRAIN), progress)
    last = finetune_config(study, variant, seed)
    return finetune(last, replace(place, out=place.out / FINETUNE, weights=start), progress)


def _tested(
    study: Study,
    variant: Variant,
    seed: int,
    weights: Path,
    place: RunPlace,
    tests: dict[str, Path],
    progress: Progress,
) -> list[Result]:
    name = finetune_config(study, variant, seed).network.encoder
    encoder = build_encoder(name, weights=weights, device=place.device, threads=place.threads)
    found = []
    for test in study.tests:
        dataset = load_dataset(test.data, tests[test.data])
        probes = [probe_of(dataset, protocol) for protocol in test.protocols]
        pictures = pictures_to_read(probes, encoder.card.sampling)
        with progress(f"{variant.name}: {test.data} {', '.join(test.protocols)}", pictures) as step:
            compared = compare(encoder, probes, step=step)
        for protocol, one in zip(test.protocols, compared, strict=True):
            scores = scores_of(one.answers())
            found.append(Result(variant.name, seed, test.data, protocol, scores.rank1, scores.map))
    return found
