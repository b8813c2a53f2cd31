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
from model.training.run import Progress, RunPlace, finetune, pretrain

RESULT = "result.json"


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
        DataError, TrainingError, EvaluationError: as the single runs.
    """
    results: list[Result] = []
    for seed in study.seeds:
        for variant in study.variants:
            folder = out / variant.name / str(seed)
            if not (folder / RESULT).exists():
                tell(f"{variant.name}, seed {seed}")
                _train_and_test(study, variant, seed, replace(place, out=folder), tests, progress)
            results += [Result(**each) for each in json.loads((folder / RESULT).read_text())]
    return results


def _train_and_test(
    study: Study, variant: Variant, seed: int, place: RunPlace, tests: dict[str, Path], progress: Progress
) -> None:
    weights = _trained(study, variant, seed, place, progress)
    found = _tested(study, variant.name, seed, weights, place, tests, progress)
    beside = place.out / f"{RESULT}.part"
    beside.write_text(json.dumps([asdict(each) for each in found], indent=2) + "\n")
    beside.replace(place.out / RESULT)


def _trained(study: Study, variant: Variant, seed: int, place: RunPlace, progress: Progress) -> Path:
    first = pretrain_config(study, variant, seed)
    start = place.weights if first is None else pretrain(first, replace(place, out=place.out / "pretrain"), progress)
    last = finetune_config(study, variant, seed)
    return finetune(last, replace(place, out=place.out / "finetune", weights=start), progress)


def _tested(
    study: Study,
    variant: str,
    seed: int,
    weights: Path,
    place: RunPlace,
    tests: dict[str, Path],
    progress: Progress,
) -> list[Result]:
    name = finetune_config(study, study.variants[0], seed).network.encoder
    encoder = build_encoder(name, weights=weights, device=place.device, threads=place.threads)
    found = []
    for test in study.tests:
        dataset = load_dataset(test.data, tests[test.data])
        probes = [probe_of(dataset, protocol) for protocol in test.protocols]
        pictures = pictures_to_read(probes, encoder.card.sampling)
        with progress(f"{variant}: {test.data} {', '.join(test.protocols)}", pictures) as step:
            compared = compare(encoder, probes, step=step)
        for protocol, one in zip(test.protocols, compared, strict=True):
            scores = scores_of(one.answers())
            found.append(Result(variant, seed, test.data, protocol, scores.rank1, scores.map))
    return found
