"""Pictures to tracks."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby, pairwise

from model.data.records import DISTRACTOR, JUNK, Picture, Track

MARKET_GAP = 300  # frames at most between two pictures of one Market track


def tracks_of(pictures: Sequence[Picture]) -> list[Track]:
    """The tracks the pictures say they belong to, in order of their first picture; a picture without one is its own.

    A track is one camera, person and track number >= 0; its paths are in order of frame, and within a frame as given.
    Junk and distractors are kept as they are.
    """
    groups: dict[tuple[int, ...], list[Picture]] = {}
    for place, picture in enumerate(pictures):
        known = picture.track >= 0
        key = (picture.camera, picture.person, picture.track) if known else (place,)
        groups.setdefault(key, []).append(picture)
    return [_track(sorted(group, key=_frame)) for group in groups.values()]


def market_tracks(pictures: Sequence[Picture]) -> list[Track]:
    """Tracks of Market-1501's pictures: runs of one person, camera and sequence with gaps of at most 300 frames.

    Distractors are tracks of one picture, junk is left out. `frame` is as `market1501` numbers it: two sequences are
    further apart than any gap, so a run never crosses from one into the next. Ordered by person, camera and time.
    """
    return [_track(run) for run in market_runs(pictures)]


def number_market_tracks(pictures: Iterable[Picture]) -> tuple[Picture, ...]:
    """The same pictures in the same order, each with the number of its Market track; distractors and junk keep -1."""
    pictures = tuple(pictures)
    numbers = {
        picture.path: number
        for number, run in enumerate(run for run in market_runs(pictures) if run[0].person != DISTRACTOR)
        for picture in run
    }
    return tuple(replace(picture, track=numbers.get(picture.path, -1)) for picture in pictures)


def market_runs(pictures: Iterable[Picture]) -> list[list[Picture]]:
    """The pictures of each track of `market_tracks`."""
    runs: list[list[Picture]] = []
    wanted = sorted((picture for picture in pictures if picture.person != JUNK), key=_person_camera_time)
    for (person, _), group in groupby(wanted, key=lambda picture: (picture.person, picture.camera)):
        together = list(group)
        runs.append(together[:1])
        for before, after in pairwise(together):
            if person == DISTRACTOR or after.frame - before.frame > MARKET_GAP:
                runs.append([])
            runs[-1].append(after)
    return runs


def _track(pictures: Sequence[Picture]) -> Track:
    return Track(pictures[0].person, pictures[0].camera, tuple(picture.path for picture in pictures))


def _frame(picture: Picture) -> int:
    return picture.frame


def _person_camera_time(picture: Picture) -> tuple[int, int, int, str]:
    return picture.person, picture.camera, picture.frame, picture.path.name
