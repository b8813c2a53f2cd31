"""Which frames of a track are shown: all of them, a single one, or all of them in another order.

An encoder that reads motion finds people whom only their gait tells apart by all frames, and neither by the best single
frame nor by the same frames shuffled.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Literal, get_args

import numpy as np

from model.data.records import Track
from model.evaluation.errors import EvaluationError
from model.evaluation.protocols import Probe

Frames = Literal["all", "single", "shuffled"]
FRAMES: tuple[Frames, ...] = get_args(Frames)


def shown(probe: Probe, frames: Frames, places: int, seed: int = 0) -> list[Probe]:
    """The probes that stand for one: itself for `all`, one of shuffled tracks, or one for each place of a single frame.

    shuffled: the order of each track's frames is drawn from `seed` and the track's number in the probe, and is the same
    where a track both asks and is asked for.
    single: in probe i of `places`, every track on either side is reduced to the frame in the middle of the i-th of
    `places` equal stretches of it. Where no track has more than one frame, one probe says it all.

    Raises:
        EvaluationError: `frames` is none of these, or `places` is below 1.
    """
    if frames not in FRAMES or places < 1:
        raise EvaluationError(
            f"frames are {', '.join(FRAMES)} and a single one has at least one place, got {frames!r}, {places} places"
        )
    tracks = list(dict.fromkeys((*probe.queries, *probe.gallery)))
    if frames == "all":
        return [probe]
    if frames == "shuffled":
        numbers = {track: number for number, track in enumerate(tracks)}
        return [_changed(probe, lambda track: _shuffled(track, (seed, numbers[track])))]
    if all(len(track.paths) == 1 for track in tracks):
        return [probe]
    return [_changed(probe, partial(_single, place=place, places=places)) for place in range(places)]


def _changed(probe: Probe, change: Callable[[Track], Track]) -> Probe:
    return replace(
        probe, queries=[change(track) for track in probe.queries], gallery=[change(track) for track in probe.gallery]
    )


def _shuffled(track: Track, seed: tuple[int, int]) -> Track:
    order = np.random.default_rng(seed).permutation(len(track.paths))
    return replace(track, paths=tuple(track.paths[place] for place in order))


def _single(track: Track, place: int, places: int) -> Track:
    return replace(track, paths=(track.paths[int((place + 0.5) * len(track.paths) / places)],))
