"""Runs a study: every variant and seed is trained and tested; what is done already is not done again."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from model.build import build_encoder
from model.data.build import load_dataset
from model.encoder import Encoder
from model.evaluation.evaluate import compare, pictures_to_read
from model.evaluation.metrics import scores_of
from model.evaluation.protocols import Probe, probe_of
from model.study.asked import asked_by
from model.study.config import Runs, Study, Tested, Variant, runs_of
from model.study.cost import clip_ms, parameters
from model.training.config import Section
from model.training.errors import BadConfig
from model.training.place import Progress, RunPlace
from model.training.record import CONFIG
from model.training.run import run
from model.training.system_config import SystemRun

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
    parameters: int  # of the network that answers
    clip_ms: float  # milliseconds that it takes for a full clip, alone in a batch, on the machine that tested it
    where: str = ""  # which queries asked, as `column=value`; all of them if empty

    @property
    def test(self) -> str:
        """What a table's column is called."""
        return " ".join(filter(None, (self.data, self.protocol, self.where)))


def run_study(
    study: Study, out: Path, place: RunPlace, progress: Progress, tell: Callable[[str], None]
) -> list[Result]:
    """All results of a study. A study that was stopped goes on.

    Each run lies in `out`/variant/seed with its own checkpoint, metrics and weights.

    Raises:
        DataError, TrainingError, EvaluationError: as the single runs. `check_data` tells what can be known before.
    """
    results: list[Result] = []
    for seed in study.seeds:
        for variant in study.variants:
            folder = out / variant.name / str(seed)
            runs = runs_of(study, variant, seed)
            if not (folder / RESULT).exists():
                tell(f"{variant.name}, seed {seed}")
                weights = _trained(runs, replace(place, out=folder), progress)
                _keep(folder / RESULT, _tested(study, variant, seed, weights, place, progress))
            results += _results(study, variant, runs, folder)
    return results


def check_data(study: Study, place: RunPlace) -> None:
    """What is missing must not show after hours: every data set that is trained or tested on is looked through.

    Raises:
        BadConfig: a data set has no folder. DataError, EvaluationError: it cannot be used.
    """
    for variant in study.variants:
        for _, config in runs_of(study, variant, study.seeds[0]):
            for source in config.sources:
                if source.data not in place.data:
                    raise BadConfig(
                        f"{variant.name} trains on {source.data} and no folder is given for it: "
                        f"--data {source.data}=DIR"
                    )
    for test in study.tests:
        _probes(test, place)


def _probes(test: Tested, place: RunPlace) -> list[Probe]:
    dataset = asked_by(load_dataset(test.data, place.data[test.data]), test.where)
    return [probe_of(dataset, protocol) for protocol in test.protocols]


def _results(study: Study, variant: Variant, runs: Runs, folder: Path) -> list[Result]:
    """What was found, now or before. Raises BadConfig where the study was another one then."""
    file = folder / RESULT
    try:
        found = [Result(**each) for each in json.loads(file.read_text())]
        same = all(_was(folder / name, config) for name, config in runs)
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise BadConfig(
            f"{file} or the run beside it cannot be read ({error}): remove {folder} to run it anew"
        ) from error
    wanted = [(test.data, protocol, _where(test)) for test in study.tests for protocol in test.protocols]
    if not same or [(each.data, each.protocol, each.where) for each in found] != wanted:
        raise BadConfig(
            f"{file} is of another configuration or other tests than the study now has for {variant.name}: give "
            f"another --out, or remove {folder} to run it anew"
        )
    return found


def _was(folder: Path, config: Section) -> bool:
    """Whether a run that is done was made with this configuration."""
    return bool(json.loads((folder / CONFIG).read_text())["config"] == json.loads(config.model_dump_json()))


def _keep(file: Path, found: list[Result]) -> None:
    beside = file.with_name(f"{file.name}.part")
    beside.write_text(json.dumps([asdict(each) for each in found], indent=2) + "\n")
    beside.replace(file)


def _trained(runs: Runs, place: RunPlace, progress: Progress) -> Path:
    weights = place.weights
    for name, config in runs:
        weights = run(config, replace(place, out=place.out / name, weights=weights), progress)
    assert weights is not None  # a variant has a run, and none is told to stop early
    return weights


def _tested(
    study: Study, variant: Variant, seed: int, weights: Path, place: RunPlace, progress: Progress
) -> list[Result]:
    _, last = runs_of(study, variant, seed)[-1]
    name = last.system if isinstance(last, SystemRun) else last.network.encoder
    encoder = build_encoder(name, weights=weights, device=place.device, threads=place.threads)
    size, time = parameters(weights), clip_ms(encoder)
    found = []
    for test in study.tests:
        scores = _scored(encoder, test, _probes(test, place), f"{variant.name}: ", progress)
        for protocol, (rank1, mean) in zip(test.protocols, scores, strict=True):
            found.append(Result(variant.name, seed, test.data, protocol, rank1, mean, size, time, _where(test)))
    return found


def _scored(
    encoder: Encoder, test: Tested, probes: list[Probe], before: str, progress: Progress
) -> list[tuple[float, float]]:
    """Rank-1 and mAP of each probe."""
    pictures = pictures_to_read(probes, encoder.card.sampling)
    with progress(f"{before}{test.data} {', '.join(test.protocols)}", pictures) as step:
        compared = compare(encoder, probes, step=step)
    scores = [scores_of(each.answers()) for each in compared]
    return [(each.rank1, each.map) for each in scores]


def _where(test: Tested) -> str:
    return ", ".join(f"{column}={value}" for column, value in test.where.items())
