"""Fitting a picture of any shape into a detector's square, and boxes back onto the picture."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

GREY = 114  # what the detectors were trained to see around a picture


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How a picture lies in the detector's input: scaled by `scale`, in the top left corner."""

    scale: float
    height: int  # of the picture, pixels
    width: int

    def restore(self, corners: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Corners (N, 4: left, top, right, bottom) in the input to pixels of the picture, cut at its edges."""
        limits = np.array([self.width, self.height, self.width, self.height], np.float32)
        restored: npt.NDArray[np.float32] = np.clip(corners / np.float32(self.scale), 0, limits)
        return restored


def fit(frame: npt.NDArray[np.uint8], height: int, width: int) -> tuple[npt.NDArray[np.uint8], Letterbox]:
    """Scale (H, W, 3) to fit (height, width, 3), its shape kept, the rest grey."""
    rows, columns = frame.shape[:2]
    scale = min(height / rows, width / columns)
    new_rows, new_columns = max(1, round(rows * scale)), max(1, round(columns * scale))
    small = Image.fromarray(frame).resize((new_columns, new_rows), Image.Resampling.BILINEAR)
    boxed = np.full((height, width, 3), GREY, np.uint8)
    boxed[:new_rows, :new_columns] = np.asarray(small)
    return boxed, Letterbox(scale, rows, columns)
