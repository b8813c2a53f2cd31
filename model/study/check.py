"""A study looked through before its first run: what is missing must not show after hours."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from model.build import build_encoder
from model.data.attributes import attributes_of
from model.data.build import load_dataset
from model.data.records import Dataset
from model.errors import WeightsMismatch
from model.evaluation.protocols import Probe, probe_of
from model.study.asked import asked_by
from model.study.config import Study, Tested, Variant, chosen, runs_of, trained_by
from model.study.restated import check_restated
from model.study.results import Grounds, Result, grounds_of, kept
from model.systems.config import SystemConfig
from model.training.checkpoint import has_checkpoint
from model.training.completer import check_before
from model.training.config import FinetuneConfig, PretrainConfig
from model.training.errors import BadConfig
from model.training.origin import AnyRun, begins_with
from model.training.place import RunPlace
from model.training.run import WEIGHTS, pose_network
from model.training.start import network_config, starting_network
from model.training.system_config import SystemRun
from model.training.system_start import starting_system
from model.vills.config import VillsConfig
from model.weights import load_weights


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


def ready_study(
    study: Study, out: Path, place: RunPlace, *, only: Collection[str] = (), seeds: Collection[int] = ()
) -> ReadyStudy:
    """Look for everything that a study trains with, tests on, and has found before; weights to begin with are tried on
    what is chosen (variants and seeds; none: all).

    Raises:
        BadConfig: a data set has no folder, weights or a network are missing, settings do not go with the networks they
            are tested on, or `out` holds another study's results.
        WeightsMismatch: weights to begin with are of other networks than those that would begin with them.
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
    _check_settings(ready)
    for variant, seed in chosen(study):
        ready.found(variant, seed)
    _check_beginning(ready, chosen(study, only, seeds))
    return ready


def system_shape(config: SystemRun, datasets: Mapping[str, Dataset]) -> SystemConfig:
    """The configuration of the network that a run trains, with the groups of attributes that its data have."""
    if not config.attributes:
        return config.network_config()
    known = attributes_of([datasets[source.data].train for source in config.sources], config.attributes)
    return config.network_config(known.sizes)


def _load(name: str, why: str, place: RunPlace, datasets: dict[str, Dataset]) -> None:
    if name not in place.data:
        raise BadConfig(f"{why} {name} and no folder is given for it: --data {name}=DIR")
    if name not in datasets:
        datasets[name] = load_dataset(name, place.data[name])


def _check_run(config: AnyRun, place: RunPlace, datasets: Mapping[str, Dataset]) -> None:
    if isinstance(config, SystemRun):
        system_shape(config, datasets)
    if isinstance(config, PretrainConfig):
        pose_network(config, place)


def _check_settings(ready: ReadyStudy) -> None:
    """What a variant computes by otherwise has to leave the networks it tests their shapes."""
    for variant in ready.study.variants:
        _, last = runs_of(ready.study, variant, ready.study.seeds[0])[-1]
        if not variant.settings or not isinstance(last, SystemRun):  # `read_study` refuses settings of VILLS
            continue
        try:
            check_restated(system_shape(last, ready.datasets), variant.settings, Path(WEIGHTS))
        except WeightsMismatch as error:
            raise BadConfig(
                f"{variant.name} tests the networks of {variant.like} by settings that change their shape ({error}): "
                "leave these out, or train it by itself, `system` in place of `like`"
            ) from error


def _check_beginning(ready: ReadyStudy, parts: Sequence[tuple[Variant, int]]) -> None:
    """Fill each network that would begin with the given weights, once: their file may be of another, or of none."""
    place = ready.place
    given = load_weights(place.weights).config if place.weights else None
    tried: list[SystemConfig | VillsConfig] = []
    for variant, seed in parts:
        own = trained_by(ready.study, variant)
        name, config = runs_of(ready.study, own, seed)[0]
        if ready.found(variant, seed) is not None or has_checkpoint(ready.folder(own, seed) / name):
            continue  # nothing reads them any more
        if isinstance(config, SystemRun):
            check_before(config, given, str(place.weights))
            shape: SystemConfig | VillsConfig = system_shape(config, ready.datasets)
        else:
            shape = network_config(config.network)
        if shape not in tried and (place.weights or place.stem_weights):
            _begin(shape, seed, place)
            tried.append(shape)


def _begin(shape: SystemConfig | VillsConfig, seed: int, place: RunPlace) -> None:
    if isinstance(shape, SystemConfig):
        starting_system(shape, seed, weights=place.weights, stem_weights=place.stem_weights)
    else:
        starting_network(shape, seed, weights=place.weights, stem_weights=place.stem_weights)
