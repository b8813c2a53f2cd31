"""What a study found, and what it was found from: figures of other data or weights are never taken for its own."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from model.data.digest import digest_of
from model.data.records import Dataset
from model.faults import faults_of
from model.study.config import Runs, Study, Variant, asked_in, column_of
from model.training.errors import BadConfig
from model.training.origin import AnyRun
from model.training.place import RunPlace

RESULT = "result.json"
MOST_FAULTS = 3  # of a damaged file, in a message
Rate = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]  # per cent


@dataclass(frozen=True, slots=True)
class Result:
    """One network of a study under one protocol; rates in per cent."""

    variant: str
    seed: int
    data: str
    protocol: str
    rank1: Rate
    map: Rate
    parameters: Annotated[int, Field(ge=1)]  # of the network that answers
    where: str = ""  # which queries asked, as `column=value`; all of them if empty
    rescored: Annotated[int, Field(ge=0)] = 0  # candidates of each query that were compared again

    @property
    def test(self) -> str:
        """What a table's column is called."""
        return column_of(self.data, self.protocol, self.where)


@dataclass(frozen=True, slots=True)
class Grounds:
    """What figures are found from: digests of the data sets, and of the weights that the first run begins with."""

    data: Mapping[str, str]
    weights: str | None
    stem: str | None


@dataclass(frozen=True, slots=True)
class _Kept:
    grounds: Grounds
    runs: dict[str, dict[str, Any]]  # configurations of what was trained, by the run's name
    settings: dict[str, Any]  # what was otherwise at the test
    results: list[Result]


def grounds_of(datasets: Mapping[str, Dataset], place: RunPlace) -> Grounds:
    """Of the data sets that a study needs. Raises BadConfig where weights that are given cannot be read."""
    data = {name: digest_of((each.train, each.query, each.gallery)) for name, each in sorted(datasets.items())}
    return Grounds(data, _digest_of_file(place.weights), _digest_of_file(place.stem_weights))


def keep(folder: Path, grounds: Grounds, variant: Variant, runs: Runs, results: Sequence[Result]) -> None:
    """Write them, and all that tells whether they are still those of a study; the file appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f"{RESULT}.part"
    configs = {name: _as_json(config) for name, config in runs}
    found = _Kept(grounds, configs, variant.settings, list(results))
    beside.write_text(json.dumps(asdict(found), indent=2) + "\n")
    beside.replace(folder / RESULT)


def kept(study: Study, variant: Variant, seed: int, runs: Runs, folder: Path, grounds: Grounds) -> list[Result] | None:
    """What was found before; None where nothing was.

    Raises:
        BadConfig: it cannot be read, or is of another study, other data or other weights to begin with.
    """
    file = folder / RESULT
    if not file.exists():
        return None
    found = _read(file)
    own = (variant.name, seed, variant.rescore)
    alike = found.settings == variant.settings and _are(runs, found.runs)
    if not alike or any((each.variant, each.seed, each.rescored) != own for each in found.results):
        raise BadConfig(
            f"{file} is of another configuration than the study now has for {variant.name}: give another --out, or "
            f"remove {folder} to run it anew"
        )
    if found.grounds != grounds:
        raise BadConfig(
            f"{file} was found with other data or other weights to begin with: give those, or another --out, or remove "
            f"{folder} to run it anew"
        )
    asked = [(each.data, each.protocol, each.where) for each in found.results]
    if asked != [one for test in study.tests for one in asked_in(test)]:
        raise BadConfig(f"{file} is of other tests than the study now has: remove it to test its weights anew")
    return found.results


def _read(file: Path) -> _Kept:
    """What `keep` wrote. Its weights may be whole where it is not: they lie beside it, and are tested again."""
    values: Any = None
    try:
        values = json.loads(file.read_bytes())
        return TypeAdapter(_Kept).validate_python(values)
    except ValidationError as error:
        why = "; ".join(map(str, faults_of(error, values)[:MOST_FAULTS]))
    except (OSError, ValueError) as error:  # ValueError: neither JSON nor text
        why = str(error)
    raise BadConfig(f"{file} cannot be read ({why}): remove this file to test its weights anew")


def _are(runs: Runs, were: Mapping[str, dict[str, Any]]) -> bool:
    """Whether runs that are done were made with these configurations; what these had no name for then is as always."""
    try:
        return [name for name, _ in runs] == list(were) and all(
            _as_json(type(config).model_validate(were[name])) == _as_json(config) for name, config in runs
        )
    except ValidationError:
        return False


def _as_json(config: AnyRun) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(config.model_dump_json())
    return values


def _digest_of_file(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise BadConfig(f"the weights {path} cannot be read ({error.strerror}): name another file") from error
