"""Bodies of all pictures of a data set, seen once by the pose network and kept in one file.

The file is named by what it holds: a digest over the pictures' names and sizes and over the network. Other pictures
or another network are another file, so nothing stale is ever read. What was done before a stop is taken up again.
"""

import hashlib
import multiprocessing
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from model.errors import BadModelFile
from model.regions.errors import CacheDamaged, PictureUnreadable
from model.regions.pose import KEYPOINTS, MASK_SIZE, Body, PoseModel

KEEP_EVERY = 2_000  # pictures between two writes of what is done
_VERSION = 1  # of what is stored; part of the key


@dataclass(frozen=True, slots=True)
class Bodies:
    """What the pose network saw in N pictures, in their order. About 700 bytes a picture."""

    keypoints: npt.NDArray[np.float16]  # (N, 33, 3): x, y as shares of the picture, visibility in [0, 1]
    masks: npt.NDArray[np.uint8]  # (N, 32, 16), 0-255
    scores: npt.NDArray[np.float16]  # (N,), how sure that there is a person, in [0, 1]

    def __len__(self) -> int:
        return len(self.scores)


def cached_bodies(
    folder: Path,
    pictures: Sequence[Path],
    network: Path,
    *,
    processes: int = 1,
    step: Callable[[int], None] | None = None,
) -> Bodies:
    """The bodies of all pictures: read from `folder` where they lie, otherwise seen now and written there.

    One process sees about 60 pictures a second. `step` is told how many more pictures are done, those found done
    included, so that a bar over `len(pictures)` fills. Killed, it goes on from the last 2,000 when called again.

    Raises:
        PoseRuntimeMissing, BadModelFile: the network cannot be run.
        PictureUnreadable: a picture is missing or damaged.
        CacheDamaged: a file of bodies is not what its name says.
    """
    key = cache_key(pictures, network)
    whole = folder / f"bodies-{key[:16]}.npz"
    step = step or _ignore
    if whole.is_file():
        bodies = _load(whole, key, most=len(pictures))
        if len(bodies) != len(pictures):
            raise _damaged(whole, f"it holds {len(bodies)} of {len(pictures)} pictures")
        step(len(bodies))
        return bodies
    folder.mkdir(parents=True, exist_ok=True)
    begun = whole.with_name(whole.name + ".begun")
    bodies = _load(begun, key, most=len(pictures)) if begun.is_file() else _packed([])
    step(len(bodies))
    return _finish(bodies, pictures, network, (begun, whole), key, processes, step)


def cache_key(pictures: Sequence[Path], network: Path) -> str:
    """64 hex digits over the network's bytes and the pictures' sizes and names below the folder common to all.

    Raises:
        BadModelFile: no such network.
        PictureUnreadable: a picture does not exist.
    """
    if not network.is_file():
        raise BadModelFile(f"the pose network {network} does not exist: give the path of pose_landmark_full.tflite")
    digest = hashlib.sha256(f"{_VERSION} {MASK_SIZE} {hashlib.sha256(network.read_bytes()).hexdigest()}\n".encode())
    common = os.path.commonpath([path.parent for path in pictures]) if pictures else ""
    for path in pictures:
        try:
            size = path.stat().st_size
        except OSError as error:
            raise PictureUnreadable(f"the picture {path} cannot be read ({error}): unpack the data set anew") from error
        digest.update(f"{size} {path.relative_to(common).as_posix()}\n".encode())
    return digest.hexdigest()


def _finish(
    bodies: Bodies,
    pictures: Sequence[Path],
    network: Path,
    files: tuple[Path, Path],
    key: str,
    processes: int,
    step: Callable[[int], None],
) -> Bodies:
    """See the pictures that `bodies` lacks, keeping what is done in the first file and all of it in the second."""
    begun, whole = files
    with _observer(network, processes) as observe:
        while len(bodies) < len(pictures):
            some = pictures[len(bodies) : len(bodies) + KEEP_EVERY]
            seen = []
            for body in observe(some):
                seen.append(body)
                step(1)
            bodies = _joined(bodies, _packed(seen))
            _save(begun, key, bodies)
    _save(whole, key, bodies)
    begun.unlink(missing_ok=True)
    return bodies


@contextmanager
def _observer(network: Path, processes: int) -> Iterator[Callable[[Sequence[Path]], Iterator[Body]]]:
    """A function from paths to bodies, in order, that runs in this process or in several others."""
    if processes == 1:
        pose = PoseModel(network)
        yield lambda paths: (_see(pose, path) for path in paths)
        return
    # Spawned, because a fork of a process that runs torch's threads may hang.
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield lambda paths: pool.imap(partial(_see_in_child, network), paths, chunksize=16)


@cache
def _pose_of_child(network: Path) -> PoseModel:
    return PoseModel(network)


def _see_in_child(network: Path, path: Path) -> Body:
    return _see(_pose_of_child(network), path)


def _see(pose: PoseModel, path: Path) -> Body:
    try:
        with Image.open(path) as picture:
            crop = np.asarray(picture.convert("RGB"), np.uint8)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise PictureUnreadable(f"the picture {path} cannot be read ({error}): unpack the data set anew") from error
    return pose.body(crop)


def _packed(bodies: Sequence[Body]) -> Bodies:
    count = len(bodies)
    return Bodies(
        np.array([body.keypoints for body in bodies], np.float16).reshape(count, KEYPOINTS, 3),
        np.array([body.mask for body in bodies], np.uint8).reshape(count, *MASK_SIZE),
        np.array([body.score for body in bodies], np.float16),
    )


def _joined(first: Bodies, second: Bodies) -> Bodies:
    return Bodies(
        np.concatenate([first.keypoints, second.keypoints]),
        np.concatenate([first.masks, second.masks]),
        np.concatenate([first.scores, second.scores]),
    )


def _save(path: Path, key: str, bodies: Bodies) -> None:
    """Write beside, flush to the disk, rename: whole or not at all."""
    beside = path.with_name(path.name + ".part")
    with beside.open("wb") as file:
        np.savez_compressed(
            file, key=np.array(key), keypoints=bodies.keypoints, masks=bodies.masks, scores=bodies.scores
        )
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _load(path: Path, key: str, *, most: int) -> Bodies:
    try:
        # Opened here: numpy leaves a damaged file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            found = str(stored["key"])
            bodies = Bodies(stored["keypoints"], stored["masks"], stored["scores"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise _damaged(path, str(error)) from error
    shapes = (bodies.keypoints.shape, bodies.masks.shape)
    count = len(bodies)
    if found != key or count > most or shapes != ((count, KEYPOINTS, 3), (count, *MASK_SIZE)):
        raise _damaged(path, f"it holds {shapes} under the key {found}")
    return bodies


def _damaged(path: Path, fault: str) -> CacheDamaged:
    return CacheDamaged(f"the cached bodies {path} are not what the name says ({fault}): delete the file")


def _ignore(count: int) -> None:
    pass
