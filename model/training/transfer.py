"""A run of attribute transfer, from two data sets to a manifest of the second that tells its persons' attributes."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.data.attributes import Attributes, attributes_of
from model.data.errors import MissingData
from model.data.manifest import FILE
from model.data.pack import Pixels
from model.data.records import Picture
from model.systems.attribute_transfer import AttributeTransfer
from model.training.checkpoint import has_checkpoint
from model.training.config_files import checked, read_config
from model.training.distributed import rank
from model.training.errors import BadConfig
from model.training.loop import train
from model.training.origin import RESEARCH_ONLY, write_origin
from model.training.place import Progress, RunPlace, data_digest, dataset_of, loop_plan, packed, ready, told
from model.training.system_config import FOLDER as SYSTEMS
from model.training.system_config import SystemRun
from model.training.system_start import fill_trunks, published_trunk
from model.training.transfer_config import TransferRun
from model.training.transfer_task import TransferData, TransferModule, TransferTask
from model.vills.seeding import drawn_from
from model.weights import Origin

CONFIG = "attributes.toml"
BATCH = 64  # pictures that are labelled at once
COLUMNS = ("path", "person_id", "camera_id", "track_id", "frame")


def transfer(config: TransferRun, place: RunPlace, progress: Progress) -> Path | None:
    """Learn the attributes of one data set, and write what they are on the other: the manifest of that.

    The folder of the run then holds a manifest of the target's people to train on, whose pictures stay where they are,
    with everybody's attributes, and a configuration that trains attribute-driven disentangling on it.
    None where the run was to stop before its last step.

    Raises:
        DataError, TrainingError: as `model.training.run.finetune`.
        BadConfig: `prepares` is no configuration that learns attributes, or the folder has a manifest of its own.
    """
    base = _base_of(config)
    if (place.out / FILE).exists() and not has_checkpoint(place.out):
        raise BadConfig(f"{place.out / FILE} is there already and would be replaced: give another --out")
    with ready(place) as place:
        labelled, target = (dataset_of(source, place.data) for source in (config.labelled, config.target))
        known = attributes_of([labelled.train], config.attributes)
        people = [picture for picture in target.train if picture.person > 0]
        if not people:
            raise MissingData(f"{target.name} has no person to train on, whose attributes could be told: give another")
        shape = config.network_config(known.table.shape[1])
        pictures = [labelled.train, people]
        pack = packed(pictures, shape.height, shape.width, place, progress)
        data = TransferData(pack.pixels, known.table)
        task = TransferTask(_network(config, known, place), config, data)
        plan = loop_plan(config.schedule, config.seed, place, data_digest(pack, pictures))
        with progress("training", plan.steps) as step:
            done = train(task, plan, place.out, config.model_dump_json(), told(step))
        if done < plan.steps:
            return None
        if rank() == 0:
            with progress("labelling", len(people)) as step:
                found = _labels(task.module, people, pack.pixels[len(labelled.train) :], place.device, step)
            _write_manifest(place.out / FILE, people, known, found)
            _write_config(place.out / CONFIG, base, config, known)
            learnt = f"{target.name}; attributes learnt from {labelled.name}"
            write_origin(place.out, Origin(trained=True, licence=RESEARCH_ONLY, training_data=learnt))
    return place.out / FILE


def _base_of(config: TransferRun) -> str:
    """What the written configuration begins from: a name, or the whole path of a file."""
    values = read_config(config.prepares, {"attributes": config.attributes}, folder=SYSTEMS)
    found = checked(SystemRun, values, config.prepares)
    if found.system != "attributes":
        raise BadConfig(f"prepares is {config.prepares}, and {found.system} learns no attributes: name `attributes`")
    return str(Path(config.prepares).resolve()) if config.prepares.endswith(".toml") else config.prepares


def _network(config: TransferRun, known: Attributes, place: RunPlace) -> AttributeTransfer:
    shape = config.network_config(known.table.shape[1])
    with drawn_from(config.seed):
        network = AttributeTransfer(shape, torch.from_numpy(known.table.mean(axis=0)))
    goes_on = has_checkpoint(place.out)  # and has all weights of its own
    trunk = None if goes_on else place.stem_weights or published_trunk(shape.trunk)
    if trunk is not None:
        fill_trunks(network, shape.trunk, trunk)
    return network


def _labels(
    module: TransferModule, people: Sequence[Picture], pixels: Pixels, device: str, step: Callable[[int], None]
) -> dict[int, npt.NDArray[np.int64]]:
    """What every person has, (A,) of 0 and 1."""
    numbers = sorted({picture.person for picture in people})
    place = {person: row for row, person in enumerate(numbers)}
    rows = torch.tensor([place[picture.person] for picture in people])

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        for first in range(0, len(rows), BATCH):
            frames = torch.from_numpy(pixels[first : first + BATCH].copy()).to(device)
            yield module.pixels(frames.permute(0, 3, 1, 2)), rows[first : first + BATCH].to(device)
            step(len(frames))

    found = module.network.labels(batches(), len(numbers)).cpu().numpy().astype(np.int64)
    return dict(zip(numbers, found, strict=True))


def _write_manifest(
    path: Path, people: Sequence[Picture], known: Attributes, found: dict[int, npt.NDArray[np.int64]]
) -> None:
    names = [name for _, own in known.groups for name in own]
    beside = path.with_name(f"{path.name}.part")
    with beside.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, *names])
        for picture in people:
            writer.writerow([*_row(picture), *found[picture.person].tolist()])
    beside.replace(path)


def _row(picture: Picture) -> list[object]:
    track = "" if picture.track < 0 else picture.track
    return [picture.path.absolute(), picture.person, picture.camera, track, picture.frame]


def _write_config(path: Path, base: str, config: TransferRun, known: Attributes) -> None:
    lines = [
        f"# Attributes of {config.target.data}, as learnt from {config.labelled.data}; the manifest beside says them.",
        f"base = {_text(base)}",
        'sources = [{ data = "csv", share = 8 }]',
        "",
        "[attributes]",
        *(f"{_text(group)} = [{', '.join(map(_text, names))}]" for group, names in known.groups),
    ]
    beside = path.with_name(f"{path.name}.part")
    beside.write_text("\n".join(lines) + "\n")
    beside.replace(path)


def _text(text: str) -> str:
    """A basic string of TOML: JSON's, but for one character that JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
