"""Several data sets as one to train on: persons numbered through, tracks as rows of packed pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.data.errors import MissingData
from model.data.records import Picture

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TrainTrack:
    """One track: its pictures' rows in the pack, in order of time. `person` counts through all data sets."""

    rows: Rows
    person: int
    camera: int


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Tracks by person, persons by data set (domain)."""

    tracks: tuple[TrainTrack, ...]
    tracks_of_person: tuple[Rows, ...]  # numbers of tracks
    persons_of_domain: tuple[Rows, ...]
    domain_of_person: Rows  # (P,)

    @property
    def n_persons(self) -> int:
        return len(self.tracks_of_person)

    @property
    def n_pictures(self) -> int:
        return sum(len(track.rows) for track in self.tracks)


def training_set(sources: Sequence[Sequence[Picture]]) -> TrainingSet:
    """The pictures of all sources, one after the other, are the rows. Junk and distractors are of no use and left out.

    Pictures without a known track are taken as one track a person and camera, in order of frame.

    Raises:
        MissingData: a source has no person.
    """
    tracks: list[TrainTrack] = []
    domain_of_person: list[int] = []
    first_row = 0
    for domain, pictures in enumerate(sources):
        groups: dict[tuple[int, int, int], list[tuple[int, int]]] = {}
        for row, picture in enumerate(pictures, start=first_row):
            if picture.person > 0:
                groups.setdefault((picture.person, picture.camera, picture.track), []).append((picture.frame, row))
        first_row += len(pictures)
        numbers = {person: 0 for person, _, _ in groups}
        if not numbers:
            raise MissingData(f"source {domain} of the training data has no person: leave it out, or label it")
        numbers = {person: len(domain_of_person) + place for place, person in enumerate(sorted(numbers))}
        domain_of_person += [domain] * len(numbers)
        for (person, camera, _), found in sorted(groups.items()):
            tracks.append(TrainTrack(np.array([row for _, row in sorted(found)]), numbers[person], camera))
    return _indexed(tracks, np.array(domain_of_person))


def _indexed(tracks: list[TrainTrack], domain_of_person: Rows) -> TrainingSet:
    of_person: list[list[int]] = [[] for _ in domain_of_person]
    for number, track in enumerate(tracks):
        of_person[track.person].append(number)
    domains = range(int(domain_of_person.max()) + 1)
    return TrainingSet(
        tuple(tracks),
        tuple(np.array(numbers) for numbers in of_person),
        tuple(np.flatnonzero(domain_of_person == domain) for domain in domains),
        domain_of_person,
    )
