"""Pictures decoded and resized once, into one file that training reads from memory."""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from model.data.errors import MissingData
from model.data.kept import kept_array, to_write

Pixels = npt.NDArray[np.uint8]  # (N, H, W, 3), RGB
READ_AT_ONCE = 256


class PixelRows(Protocol):
    """Pictures (N, H, W, 3), RGB, of which some are asked for by row: (F,) -> (F, H, W, 3)."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: npt.NDArray[np.int64], /) -> Pixels: ...


@dataclass(frozen=True, slots=True)
class PackedPictures:
    """Pictures of one size, in the order they were given, and what tells this selection from any other."""

    pixels: Pixels  # (N, H, W, 3), mapped from disk
    digest: str


def read_picture(path: Path, height: int, width: int) -> Pixels:
    """One picture as RGB uint8 of that size, (H, W, 3), resized bilinearly.

    Raises:
        MissingData: no such file, or no picture that can be decoded whole.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR), np.uint8)
    except (OSError, Image.DecompressionBombError, SyntaxError, ValueError) as error:
        raise MissingData(f"the picture {path} cannot be read ({error}): unpack the data set again") from error


def pack_pictures(
    paths: Sequence[Path], folder: Path, *, height: int, width: int, step: Callable[[int], None] | None = None
) -> PackedPictures:
    """Pictures packed into `folder`, or found there from an earlier run. `step` is told how many more are done.

    The file is named after the pictures' names and sizes on disk, and appears whole or not at all.

    Raises:
        MissingData: a picture cannot be read.
        DamagedCache: the file from an earlier run is not whole.
    """
    digest = _digest(paths, height, width)
    target = folder / f"{digest}.npy"
    with to_write(target) as beside:
        if beside is not None:
            _write(paths, beside, height, width, step)
        elif step is not None:
            step(len(paths))
    return PackedPictures(kept_array(target, (len(paths), height, width, 3), np.uint8, mapped=True), digest)


def _write(paths: Sequence[Path], file: Path, height: int, width: int, step: Callable[[int], None] | None) -> None:
    shape = (len(paths), height, width, 3)
    pixels = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
    with file.open("r+b") as whole:  # a full disk is told now; a mapped page without room would end the process
        os.posix_fallocate(whole.fileno(), 0, file.stat().st_size)
    with ThreadPoolExecutor() as threads:
        for first in range(0, len(paths), READ_AT_ONCE):
            some = paths[first : first + READ_AT_ONCE]
            for place, picture in enumerate(threads.map(lambda path: read_picture(path, height, width), some)):
                pixels[first + place] = picture
            if step is not None:
                step(len(some))
    pixels.flush()


def _digest(paths: Sequence[Path], height: int, width: int) -> str:
    digest = hashlib.sha256(f"{height} {width} bilinear".encode())
    for path in paths:
        try:
            digest.update(f"{path.parent.name}/{path.name} {path.stat().st_size}\n".encode())
        except OSError as error:
            raise MissingData(f"the picture {path} is gone ({error}): unpack the data set again") from error
    return digest.hexdigest()[:16]
