"""Checkpoints: the whole state of a run, written whole or not at all."""

import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from model.training.errors import BadCheckpoint, FolderUnusable

FILE = "checkpoint.pt"
OTHER_DATA = "is of a run on other data, or of another version: give the data it began with, or another --out folder"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a run stands: `step` steps are done. `config` is the resolved configuration, as JSON.

    data: tells the pictures it learns from, and what is said of them, from all others. processes: how many train
    together, which decides what is in a batch.
    """

    step: int
    config: str
    data: str
    processes: int
    module: dict[str, Any]
    optimiser: dict[str, Any]


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write it beside the old one, to disk, and then in its place.

    Raises:
        FolderUnusable: the disk does not take it; the old one stays.
    """
    beside = folder / f"{FILE}.part"
    try:
        with beside.open("wb") as file:
            torch.save({name: getattr(checkpoint, name) for name in Checkpoint.__slots__}, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(folder / FILE)
    except (OSError, RuntimeError) as error:  # torch tells a full disk as an error of its own
        raise FolderUnusable(
            f"the checkpoint of step {checkpoint.step} cannot be written to {folder}: make room on its disk, and run "
            "again to go on from the one before"
        ) from error


def has_checkpoint(folder: Path) -> bool:
    """Whether a run in that folder goes on, rather than begins."""
    return (folder / FILE).exists()


def load_checkpoint(folder: Path, config: str, data: str, processes: int = 1) -> Checkpoint | None:
    """The checkpoint in the run's folder; None where there is none yet.

    Raises:
        BadCheckpoint: it cannot be read, or is of a run with another configuration, on other data, or of another number
            of processes.
    """
    path = folder / FILE
    if not has_checkpoint(folder):
        return None
    try:
        found = Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, TypeError, ValueError, LookupError, EOFError, pickle.UnpicklingError) as error:
        # What torch says of a damaged file is long, and advises to load it unsafely.
        why = error.strerror if isinstance(error, OSError) else "damaged, or of another version"
        raise BadCheckpoint(f"the checkpoint {path} cannot be read ({why}): remove it to begin the run anew") from error
    if found.config != config:
        raise BadCheckpoint(
            f"the checkpoint {path} is of a run with another configuration: give another --out folder, "
            f"or go back to the configuration in {folder / 'config.json'}"
        )
    if found.data != data:
        raise BadCheckpoint(f"the checkpoint {path} {OTHER_DATA}")
    if found.processes != processes:
        raise BadCheckpoint(
            f"the checkpoint {path} is of a run of {_counted(found.processes)}, and {_counted(processes)} would go on "
            f"with other batches: start {found.processes} (torchrun --nproc-per-node), or give another --out folder"
        )
    return found


def _counted(processes: int) -> str:
    return "1 process" if processes == 1 else f"{processes} processes"
