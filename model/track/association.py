"""Which detection is whom: overlaps of boxes, and the pairs with the greatest overlap in all."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

Floats = npt.NDArray[np.float64]


class Pairs(NamedTuple):
    """Rows and columns that belong together, and those that belong to nobody."""

    together: list[tuple[int, int]]  # (row, column)
    rows: list[int]
    columns: list[int]


def overlaps(boxes: npt.NDArray[np.floating[Any]], others: npt.NDArray[np.floating[Any]]) -> Floats:
    """Intersection over union of (N, 4) with (M, 4) as (N, M); left, top, right, bottom; 0 where both are empty."""
    rows, columns = boxes.astype(np.float64), others.astype(np.float64)
    left_top = np.maximum(rows[:, None, :2], columns[None, :, :2])
    right_bottom = np.minimum(rows[:, None, 2:], columns[None, :, 2:])
    shared = _areas(right_bottom - left_top)
    union = _areas(rows[:, 2:] - rows[:, :2])[:, None] + _areas(columns[:, 2:] - columns[:, :2])[None] - shared
    ratio: Floats = np.zeros_like(shared)
    np.divide(shared, union, out=ratio, where=union > 0)
    return ratio


def pair(likeness: Floats, least: float) -> Pairs:
    """One-to-one pairs of rows and columns of (N, M), each more alike than `least`.

    Among all such pairings the one whose likeness above `least` is greatest in sum (the Hungarian method).
    """
    gains = np.clip(likeness - least, 0, None)
    chosen = zip(*linear_sum_assignment(gains, maximize=True), strict=True)
    together = [(int(row), int(column)) for row, column in chosen if gains[row, column] > 0]
    paired_rows, paired_columns = {row for row, _ in together}, {column for _, column in together}
    return Pairs(
        together,
        [row for row in range(gains.shape[0]) if row not in paired_rows],
        [column for column in range(gains.shape[1]) if column not in paired_columns],
    )


def _areas(sizes: Floats) -> Floats:
    """Of (..., 2: width, height); 0 where one of them is negative."""
    area: Floats = np.prod(np.clip(sizes, 0, None), axis=-1)
    return area
