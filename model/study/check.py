"""A study looked through before its first run: what is missing must not show after hours."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model.build import build_encoder
from model.data.attributes import attributes_of
from model.data.build import load_dataset
from model.data.records import Dataset
from model.evaluation.protocols import Probe, probe_of
from model.study.asked import asked_by
from model.study.config import Study, Tested, Variant, runs_of
from model.study.results import Grounds, Result, grounds_of, kept
from model.training.config import FinetuneConfig, PretrainConfig
from model.training.errors import BadConfig
from model.training.origin import AnyRun, begins_with
from model.training.place import RunPlace
from model.training.run import WEIGHTS, pose_network
from model.training.system_config import SystemRun


@dataclass(frozen=True, slots=True)
class ReadyStudy:
    """A study, and all that it needs."""

    study: Study
    out: Path  # each run lies in `out`/variant/seed with its own checkpoint, metrics and weights
    place: RunPlace  # of its runs, but for their folder
    datasets: Mapping[str, Dataset]
    grounds: Grounds

    def probes(self, test: Tested) -> list[Probe]:
        """What a test asks, a probe for each protocol."""
        dataset = asked_by(self.datasets[test.data], test.where)
        return [probe_of(dataset, protocol) for protocol in test.protocols]

    def folder(self, variant: Variant, seed: int) -> Path:
        """Where the runs of a variant with one seed lie, and what was found."""
        return self.out / variant.name / str(seed)

    def trained(self, variant: Variant, seed: int) -> Path:
        """The weights that its runs end with, once they have run."""
        return self.folder(variant, seed) / runs_of(self.study, variant, seed)[-1][0] / WEIGHTS

    def found(self, variant: Variant, seed: int) -> list[Result] | None:
        """What was found before; None where nothing was. Raises BadConfig as `model.study.results.kept`."""
        runs = runs_of(self.study, variant, seed)
        return kept(self.study, variant, seed, runs, self.folder(variant, seed), self.grounds)


def ready_study(study: Study, out: Path, place: RunPlace) -> ReadyStudy:
    """Look for everything that a study trains with, tests on, and has found before.

    Raises:
        BadConfig: a data set has no folder, weights or a network are missing, or `out` holds another study's results.
        DataError, EvaluationError: a data set cannot be used.
    """
    datasets: dict[str, Dataset] = {}
    for test in study.tests:
        _load(test.data, "the study tests on", place, datasets)
    teachers: set[str] = set()
    for variant in study.variants:
        for number, (_, config) in enumerate(runs_of(study, variant, study.seeds[0])):
            for source in config.sources:
                _load(source.data, f"{variant.name} trains on", place, datasets)
            _check_run(config, place, datasets)
            if number == 0:
                begins_with(config, place)
            teachers |= set(config.teachers) if isinstance(config, FinetuneConfig) else set()
    for name in sorted(teachers):
        build_encoder(name, device="cpu", threads=1, model_dir=place.model_dir)
    ready = ReadyStudy(study, out, place, datasets, grounds_of(datasets, place))
    for test in study.tests:
        ready.probes(test)
    for seed in study.seeds:
        for variant in study.variants:
            ready.found(variant, seed)
    return ready


def _load(name: str, why: str, place: RunPlace, datasets: dict[str, Dataset]) -> None:
    if name not in place.data:
        raise BadConfig(f"{why} {name} and no folder is given for it: --data {name}=DIR")
    if name not in datasets:
        datasets[name] = load_dataset(name, place.data[name])


def _check_run(config: AnyRun, place: RunPlace, datasets: Mapping[str, Dataset]) -> None:
    if isinstance(config, SystemRun) and config.attributes:
        known = attributes_of([datasets[source.data].train for source in config.sources], config.attributes)
        config.network_config(known.sizes)
    if isinstance(config, PretrainConfig):
        pose_network(config, place)
