"""From track to clips: which frames of a track the encoder sees. Part of every space's fingerprint. No torch here."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Names of rules change whenever the functions below choose other frames.
RULE = "spread-1"  # every clip but the last has T frames
EVEN = "even-1"  # all clips have as many, or one frame fewer


@dataclass(frozen=True, slots=True)
class Sampling:
    """Frames a clip (T), clips a track at most, and the size of a crop in pixels."""

    frames: int
    height: int
    width: int
    max_clips: int = 8
    rule: str = RULE


def n_clips(n_frames: int, sampling: Sampling) -> int:
    """Clips taken from a track of `n_frames` frames: min(ceil(n / T), max_clips)."""
    return min(math.ceil(n_frames / sampling.frames), sampling.max_clips)


def frame_indices(n_frames: int, sampling: Sampling) -> list[npt.NDArray[np.int64]]:
    """Indices of the frames of each clip, in order; none has more than T.

    All n frames when they fit into the clips, else n_clips x T of them spread evenly over the whole track. By the rule
    `RULE` only the last clip may be shorter than T. By `EVEN` no clip is more than one frame longer than another: with
    a T of 3 or more, a clip of one frame comes from a track of one frame alone, and is a picture.

    Raises:
        ValueError: the track has no frames.
    """
    if n_frames < 1:
        raise ValueError("a track needs at least one frame")
    clips = n_clips(n_frames, sampling)
    wanted = min(n_frames, clips * sampling.frames)
    # The middle of each of `wanted` equal stretches: even, symmetric, first and last stretch included.
    spread = ((np.arange(wanted) + 0.5) * n_frames / wanted).astype(np.int64)
    if sampling.rule == EVEN:
        return np.array_split(spread, clips)
    return [spread[first : first + sampling.frames] for first in range(0, wanted, sampling.frames)]
