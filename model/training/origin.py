"""What a run begins with, and what its weights say of where they come from and what they may be used for."""

import json
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter

from model.training.checkpoint import has_checkpoint
from model.training.config import FinetuneConfig, PretrainConfig
from model.training.distributed import rank
from model.training.errors import BadConfig
from model.training.place import RunPlace
from model.training.start import network_config, published_stem
from model.training.system_config import SystemRun
from model.training.system_start import published_trunk
from model.weights import Origin, load_weights

ORIGIN = "origin.json"
RESEARCH_ONLY = "research only (as the data sets it was trained on)"
OWN_DATA = "as the pictures of the manifest it was trained on allow"
OWN = "csv"  # a manifest: the only data whose terms are not known to be for research
AnyRun = FinetuneConfig | PretrainConfig | SystemRun


def begins_with(config: AnyRun, place: RunPlace) -> tuple[Path | None, Path | None]:
    """Weights that a new run begins with, and others for the stem: those given, or those that belong to the stem.

    Raises:
        BadConfig: those that belong to the stem are not there.
    """
    if place.weights is not None or place.stem_weights is not None:
        return place.weights, place.stem_weights
    if isinstance(config, SystemRun):
        return None, published_trunk(config.network_config().settings.trunk)
    return None, published_stem(network_config(config.network).stem, place.model_dir)


def kept_origin(config: AnyRun, place: RunPlace) -> Origin:
    """The origin as it was when the run began: going on, it may be given other weights to start from, or none."""
    file = place.out / ORIGIN
    if has_checkpoint(place.out) and file.exists():
        return _read(file)
    origin = origin_of(config, place)
    if rank() == 0:
        write_origin(place.out, origin)
    return origin


def write_origin(folder: Path, origin: Origin) -> None:
    """Beside weights, or beside a manifest that was itself learnt: runs on it then come from there, too."""
    (folder / ORIGIN).write_text(json.dumps(asdict(origin)) + "\n")


def origin_of(config: AnyRun, place: RunPlace) -> Origin:
    """What the weights may be used for, and everything they learned from: data, teachers, and where they began.

    Notes are parted by "; ", data first. Those of the weights a run began with, and of a manifest that was learnt,
    stay, and so do the names of data sets that only they saw.

    Raises:
        WeightsMismatch: the weights to begin with cannot be read. BadConfig: what a manifest comes from cannot.
    """
    data = [source.data for source in config.sources]
    notes, research = [], False
    teachers = config.teachers if isinstance(config, FinetuneConfig) else []
    if teachers:
        notes.append(f"distilled from {', '.join(Path(each.removeprefix('onnx:')).stem for each in teachers)}")
    earlier = [] if place.weights is None else [load_weights(place.weights).origin]
    if OWN in data and (beside := place.data[OWN] / ORIGIN).is_file():
        earlier.append(_read(beside))
    for origin in [each for each in earlier if each.trained]:
        names, *rest = origin.training_data.split("; ")
        data += [name for name in names.split(", ") if name not in data]
        notes += [note for note in rest if note not in notes]
        research = research or origin.licence != OWN_DATA
    if place.weights is None and (stem := begins_with(config, place)[1]) is not None:
        notes.append(f"stem begun from {stem.stem}")
    # What teachers were trained on is for research as well, or not published.
    licence = OWN_DATA if set(data) == {OWN} and not teachers and not research else RESEARCH_ONLY
    return Origin(trained=True, licence=licence, training_data="; ".join([", ".join(data), *notes]))


def _read(file: Path) -> Origin:
    try:
        return TypeAdapter(Origin).validate_json(file.read_bytes())
    except (OSError, ValueError) as error:
        raise BadConfig(f"{file} does not say where its folder comes from: make that folder anew") from error
