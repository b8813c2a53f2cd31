"""Films of red boxes on grey, and a detector that sees red: everything about tracks but the looking at people."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model.detect.yolox import Detection
from tests.decode.samples import write_video

HEIGHT, WIDTH = 120, 200
Pixels = npt.NDArray[np.uint8]


class RedDetector:
    """Takes each columns' run of red for a person. `look` is called first, with the number of the look."""

    def __init__(self, look: Callable[[int], None] = lambda number: None) -> None:
        self.n_looks = 0
        self._look = look

    def detect(self, frame: Pixels, *, threshold: float) -> list[Detection]:
        self._look(self.n_looks)
        self.n_looks += 1
        red = (frame[..., 0] > 150) & (frame[..., 1] < 100)
        across = np.flatnonzero(np.diff(np.pad(red.any(axis=0).astype(int), 1)))
        found = []
        for left, right in across.reshape(-1, 2).tolist():
            rows = np.flatnonzero(red[:, left:right].any(axis=1))
            found.append(Detection((left, int(rows[0]), right - left, int(rows[-1] - rows[0] + 1)), 0.9))
        return found


def frames(n_frames: int, *lefts: float, step: float = 2, height: int = 80, width: int = 30) -> list[Pixels]:
    """Boxes that start at `lefts` and move `step` pixels a frame to the right, until they are out."""
    made = []
    for number in range(n_frames):
        picture = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
        for left in lefts:
            at = max(0, round(left + step * number))
            picture[20 : 20 + height, at : at + width] = (220, 30, 30)
        made.append(picture)
    return made


def film(path: Path, n_frames: int = 30, *lefts: float, rate: int = 10, **options: Any) -> Path:
    """Of one box, or of those at `lefts`."""
    return write_video(path, frames(n_frames, *(lefts or (10,))), rate=rate, **options)
