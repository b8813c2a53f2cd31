"""Between crops and embeddings: clips for the core, and one unit vector out of many."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from model.encoder import Encoder

Frames = npt.NDArray[np.uint8]  # (T, H, W, 3), RGB
Vector = npt.NDArray[np.float32]  # (D,), unit length


@dataclass(frozen=True, slots=True)
class Clip:
    """One clip of a track: its crops, of which the first `length` are real frames and the rest padding."""

    frames: Frames
    length: int


class NoDirection(ValueError):
    """The embeddings cancel each other out, or are not finite: they have no unit mean."""


def clips_of(crops: npt.NDArray[np.uint8], lengths: Sequence[int]) -> list[Clip]:
    """Clips out of one array (n, T, H, W, 3) and the number of real frames of each."""
    return [Clip(frames, length) for frames, length in zip(crops, lengths, strict=True)]


def encode_clips(encoder: Encoder) -> Callable[[list[Clip]], list[Vector]]:
    """The core of the batcher: clips of equal T to an embedding each."""

    def encode(clips: list[Clip]) -> list[Vector]:
        frames = np.stack([clip.frames for clip in clips])  # B T H W 3
        lengths = np.array([clip.length for clip in clips])
        mask = np.arange(frames.shape[1]) < lengths[:, None]  # B T
        return list(encoder.encode(frames, mask))

    return encode


def unit_mean(embeddings: npt.NDArray[np.float32]) -> Vector:
    """The unit vector in the direction of the mean of unit vectors (n, D).

    Raises:
        NoDirection: the mean is zero or not finite.
    """
    mean = embeddings.mean(axis=0, dtype=np.float32)
    length = float(np.linalg.norm(mean))
    if not np.isfinite(length) or length < 1e-6:
        raise NoDirection(f"the mean of {len(embeddings)} embeddings has length {length}: the encoder is at fault")
    vector: Vector = mean / np.float32(length)
    return vector


def person_vector(embeddings: npt.NDArray[np.float32], groups: Sequence[int]) -> Vector:
    """One vector for a person shown in several files: the unit mean over files of each file's unit mean.

    `groups`: how many rows of `embeddings` (n, D) belong to each file, in order.
    """
    if len(embeddings) == 1:
        return unit_mean(embeddings)
    bounds = np.cumsum([0, *groups])
    files = [unit_mean(embeddings[first:last]) for first, last in pairwise(bounds)]
    return unit_mean(np.stack(files))
