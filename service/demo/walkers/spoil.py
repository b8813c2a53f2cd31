"""What goes wrong with the frames of a track: bands that are blanked out, and frames that show next to nothing."""

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

Pixels = npt.NDArray[np.uint8]  # (H, W, 3) RGB
Fault = Literal["", "band", "spoiled"]
FAULTS: tuple[Fault, ...] = get_args(Fault)

BAND_HEIGHT = (0.25, 0.45)  # of the crop
SPELL = 8
FAULTY: Mapping[Fault, int] = {"": 0, "band": 3, "spoiled": 5}  # frames of a spell


def faults(kind: Fault, frames: int, rng: np.random.Generator) -> list[Fault]:
    """What happens to each frame of a track with that kind of fault.

    A band comes and goes: three frames in a row have it, the next five do not, and so on, so that most of any eight
    frames in a row show what it hides. Spoiled frames are anywhere, and more than half of all.
    """
    if kind == "band":
        hit = (np.arange(frames) - int(rng.integers(SPELL))) % SPELL < FAULTY[kind]
    else:
        hit = np.zeros(frames, np.bool_)
        hit[rng.choice(frames, round(frames * FAULTY[kind] / SPELL), replace=False)] = True
    return [kind if each else "" for each in hit]


def band_rows(height: int, rng: np.random.Generator) -> slice:
    """Rows that a band hides, anywhere."""
    rows = round(height * rng.uniform(*BAND_HEIGHT))
    top = int(rng.integers(height - rows + 1))
    return slice(top, top + rows)


def spoil(picture: Pixels, fault: Fault, band: slice, rng: np.random.Generator) -> Pixels:
    """The picture with the fault; a copy, or itself where nothing happens. A band is blanked to 0."""
    if not fault:
        return picture
    if fault == "band":
        changed = picture.copy()
        changed[band] = 0
        return changed
    blurred = np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(picture.shape[0] / 16)), np.float64)
    noisy = blurred * rng.uniform(0.3, 0.7) + rng.normal(0, 30, picture.shape)
    return np.asarray(np.clip(noisy, 0, 255), np.uint8)
