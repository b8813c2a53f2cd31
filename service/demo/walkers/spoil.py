"""What goes wrong with the frames of a track: bands that are blanked out, and frames that show next to nothing."""

from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

Pixels = npt.NDArray[np.uint8]  # (H, W, 3) RGB
Fault = Literal["", "band", "spoiled"]

BAND_HEIGHT = (0.25, 0.45)  # of the crop


def faults(frames: int, rng: np.random.Generator) -> list[Fault]:
    """What happens to each frame: nothing in a third of the tracks; else a band over a run of half of the frames, or
    three in eight frames spoiled here and there."""
    kind: Fault = ("", "band", "spoiled")[int(rng.integers(3))]
    hit = np.zeros(frames, np.bool_)
    if kind == "band":
        first = int(rng.integers(frames - frames // 2 + 1))
        hit[first : first + frames // 2] = True
    elif kind == "spoiled":
        hit[rng.choice(frames, round(frames * 3 / 8), replace=False)] = True
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
