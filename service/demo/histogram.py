"""The baseline that any encoder has to beat: a joint colour histogram of the crop."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

BINS = 8  # a channel

Pixels = npt.NDArray[np.uint8]
Vector = npt.NDArray[np.float32]


def colour_histogram(pixels: Pixels) -> Vector:
    """Joint RGB histogram of uint8 (H, W, 3): float32 (BINS ** 3,), sums to 1."""
    level = pixels.reshape(-1, 3).astype(np.int64) * BINS // 256
    joint = (level[:, 0] * BINS + level[:, 1]) * BINS + level[:, 2]
    counts = np.bincount(joint, minlength=BINS**3)
    return np.asarray(counts / counts.sum(), np.float32)


def mean_histogram(frames: Iterable[Pixels]) -> Vector:
    """Mean histogram of a clip's frames.

    Raises:
        ValueError: there is no frame.
    """
    histograms = [colour_histogram(frame) for frame in frames]
    if not histograms:
        raise ValueError("a clip needs at least one frame to have a colour histogram")
    return np.asarray(np.mean(histograms, axis=0), np.float32)


def intersections(queries: Vector, gallery: Vector) -> Vector:
    """Overlap (Q, N) in 0-1 of every query's histogram (Q, BINS ** 3) with every gallery entry's (N, BINS ** 3)."""
    return np.stack([np.minimum(query, gallery).sum(axis=1) for query in queries])
