"""Drawn detections: people who walk straight through the picture, seen at any times."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.track.tracks import Detections, Track


@dataclass(frozen=True)
class Walker:
    """Somebody of 40 x 100 pixels whose box begins at (left, top) and moves so many pixels a second."""

    left: float
    top: float
    speed: tuple[float, float] = (0, 0)
    score: float = 0.9

    def box(self, time_s: float) -> list[float]:
        left, top = self.left + self.speed[0] * time_s, self.top + self.speed[1] * time_s
        return [left, top, left + 40, top + 100]


def seen(frame: int, time_s: float, boxes: Sequence[Sequence[float]], scores: Sequence[float]) -> Detections:
    return Detections(frame, time_s, np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32))


def film(
    walkers: Sequence[Walker], times_s: Iterable[float], *, missing: Iterable[tuple[int, int]] = (), jitter: float = 0
) -> list[Detections]:
    """What a detector sees of them at these times; `missing` are (frame, walker) that it misses."""
    rng = np.random.default_rng(0)
    left_out = set(missing)
    frames = []
    for frame, time_s in enumerate(times_s):
        there = [number for number in range(len(walkers)) if (frame, number) not in left_out]
        boxes = np.array([walkers[number].box(time_s) for number in there]).reshape(-1, 4)
        boxes += rng.normal(0, 1, boxes.shape) * jitter
        frames.append(seen(frame, time_s, boxes.tolist(), [walkers[number].score for number in there]))
    return frames


def every(seconds: float, until_s: float) -> npt.NDArray[np.float64]:
    return np.linspace(0, until_s, round(until_s / seconds), endpoint=False)


def walker_of(track: Track, walkers: Sequence[Walker], *, within: float = 8) -> int:
    """Which walker a track follows; fails if it does not follow one and the same all the time."""
    centres = (track.boxes[:, :2] + track.boxes[:, 2:]) / 2
    fits = []
    for number, walker in enumerate(walkers):
        boxes = np.array([walker.box(float(time_s)) for time_s in track.times_s])
        if np.abs((boxes[:, :2] + boxes[:, 2:]) / 2 - centres).max() < within:
            fits.append(number)
    assert len(fits) == 1, f"track {track.id} follows {fits}"
    return fits[0]
