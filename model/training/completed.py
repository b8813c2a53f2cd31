"""VRSTC's data set before its last stage: every training track a whole video, its occluded bands drawn anew, once.

Only frames that were redrawn are kept, in files of the run's folder: a run that goes on finds them there. They are
named after the data and the networks that drew; what a killed run left, or a disk damaged, is made again.
"""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from model.data.errors import DamagedCache
from model.data.kept import kept_array, to_write
from model.data.pack import Pixels
from model.data.training_set import Rows, TrainingSet
from model.layers.occlusion import BANDS
from model.systems.network import SystemNetwork
from model.training.completer import completer_of
from model.training.distributed import rank, wait_for_all
from model.training.place import Progress, RunPlace
from model.training.whole_tracks import Bands, WholeTracks
from model.weights import digest_tensors, fingerprint

logger = logging.getLogger(__name__)

STEM = "completed"


class Completed:
    """A pack with some of its pictures redrawn: rows in, (F, H, W, 3) uint8 out, as of an array."""

    def __init__(self, pixels: Pixels, redrawn: Rows, drawn: Pixels) -> None:
        """redrawn: rows of the pack that `drawn`, row for row, stands in for."""
        self.shape = pixels.shape
        self._pixels, self._drawn = pixels, drawn
        self._place = np.full(len(pixels), -1, np.int64)
        self._place[redrawn] = np.arange(len(redrawn))

    def __len__(self) -> int:
        return len(self._pixels)

    def __getitem__(self, rows: Rows, /) -> Pixels:
        found = np.array(self._pixels[rows])
        place = self._place[rows]
        found[place >= 0] = self._drawn[place[place >= 0]]
        return found


def completed(
    network: SystemNetwork, pixels: Pixels, data: TrainingSet, named: str, place: RunPlace, progress: Progress
) -> Completed:
    """The pack `pixels` (N, H, W, 3) with the occluded bands of each track of `data` drawn anew.

    What is drawn is what `VRSTC.complete` gives for the whole track, rounded; all other pixels stay bit for bit. The
    network is moved to the run's device.

    Args:
        named: what tells the data from all others.

    Raises:
        WeightsMismatch: the network has nothing to complete with.
    """
    kept = place.out / f"{STEM}-{_fingerprint(network, named)}.npy"
    # One process draws; the others find it drawn.
    if rank() == 0 and _found(kept, pixels) is None:
        for old in place.out.glob(f"{STEM}-*.npy"):
            old.unlink()
        _make(kept, WholeTracks(network.to(place.device).eval(), pixels, place.device), data, progress)
    wait_for_all()
    found = _found(kept, pixels)
    assert found is not None
    return found


def _fingerprint(network: SystemNetwork, named: str) -> str:
    tensors = {name: tensor.cpu() for name, tensor in completer_of(network).state_dict().items()}
    return fingerprint(network.config.to_json() + named, network.config.sampling, digest_tensors(tensors))


def _bands_file(kept: Path) -> Path:
    return kept.with_suffix(".bands.npy")


def _found(kept: Path, pixels: Pixels) -> Completed | None:
    """What an earlier start drew; None where there is nothing whole. The pictures are written last."""
    try:
        bands = kept_array(_bands_file(kept), (len(pixels), BANDS), np.bool_)
        rows = np.flatnonzero(bands.any(axis=1))
        drawn = kept_array(kept, (len(rows), *pixels.shape[1:]), np.uint8, mapped=True)
    except DamagedCache:
        return None
    return Completed(pixels, rows, drawn)


def _make(kept: Path, tracks: WholeTracks, data: TrainingSet, progress: Progress) -> None:
    bands = np.zeros((len(tracks.pixels), BANDS), np.bool_)
    with progress("looking for what is hidden", data.n_pictures) as step:
        for track in data.tracks:
            bands[track.rows] = tracks.occluded(track.rows)
            step(len(track.rows))
    np.save(_bands_file(kept), bands)
    n_hidden = int(bands.any(axis=1).sum())
    logger.info("of %d pictures, %d have occluded bands, %d in all", data.n_pictures, n_hidden, bands.sum())
    with to_write(kept) as beside, progress("completing the data set", n_hidden) as step:
        assert beside is not None  # whatever was there is gone
        _draw(beside, tracks, data, bands, step)


def _draw(file: Path, tracks: WholeTracks, data: TrainingSet, bands: Bands, step: Callable[[int], None]) -> None:
    """Draw straight into the file, in the order of the pack's rows: (F, H, W, 3)."""
    hidden = bands.any(axis=1)  # (N,)
    place = np.cumsum(hidden) - 1
    shape = (int(hidden.sum()), *tracks.pixels[np.arange(1)].shape[1:])
    drawn = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
    with file.open("r+b") as whole:  # a full disk is told now; a mapped page without room would end the process
        os.posix_fallocate(whole.fileno(), 0, file.stat().st_size)
    for track in data.tracks:
        for rows, redrawn in tracks.redrawn(track.rows, bands[track.rows]):
            drawn[place[rows]] = redrawn
            step(len(rows))
    drawn.flush()
