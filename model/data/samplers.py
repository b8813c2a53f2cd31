"""Which tracks and frames a batch is made of: a pure function of seed and step, so that a resumed run goes on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from model.data.training_set import Rows, TrainingSet


@dataclass(frozen=True, slots=True)
class Draw:
    """B clips of at most T frames. Padding repeats row 0 and is masked."""

    rows: Rows  # (B, T) of the pack
    mask: npt.NDArray[np.bool_]  # (B, T)
    person: Rows  # (B,) counted through all data sets
    camera: Rows  # (B,)
    track: Rows  # (B,)
    domain: Rows  # (B,)


@dataclass(frozen=True, slots=True)
class PersonSampler:
    """Persons x tracks: some persons of every data set in each batch, and of each person tracks of different cameras.

    persons: how many of each data set, in order: the balance of domains does not depend on their sizes.
    """

    data: TrainingSet
    persons: Sequence[int]
    tracks: int  # of a person
    frames: int  # T, at most
    seed: int

    def draw(self, step: int) -> Draw:
        """The batch of that step."""
        rng = np.random.default_rng((self.seed, step))
        numbers = self.choose(rng)
        return _draw(
            self.data, numbers, [_frames(rng, self.data, number, self.frames) for number in numbers], self.frames
        )

    def choose(self, rng: np.random.Generator) -> list[int]:
        """Numbers of a batch's tracks, person after person."""
        chosen = [
            person
            for persons, wanted in zip(self.data.persons_of_domain, self.persons, strict=True)
            for person in rng.choice(persons, wanted, replace=wanted > len(persons)).tolist()
        ]
        return [number for person in chosen for number in self._tracks(rng, person)]

    def _tracks(self, rng: np.random.Generator, person: int) -> list[int]:
        """Tracks of one person, of as many cameras as there are; the same track twice only where there is no other."""
        left = rng.permutation(self.data.tracks_of_person[person]).tolist()
        found: list[int] = []
        while len(found) < self.tracks:
            seen = {self.data.tracks[number].camera for number in found}
            other = [number for number in left if self.data.tracks[number].camera not in seen]
            if not left:
                left = rng.permutation(self.data.tracks_of_person[person]).tolist()
                continue
            number = (other or left)[0]
            left.remove(number)
            found.append(number)
        return found


@dataclass(frozen=True, slots=True)
class ClipSampler:
    """The same persons and tracks as clips of exactly T frames, each frame real: a short track begins again.

    window: frames one `stride` apart from anywhere in the track, nearer to each other where it is too short for that.
    chunks: one frame anywhere in each of T equal parts of the track (Zhao et al., CVPR 2019).
    """

    people: PersonSampler  # its `frames` is T
    rule: Literal["window", "chunks"]
    stride: int

    @property
    def data(self) -> TrainingSet:
        return self.people.data

    def draw(self, step: int) -> Draw:
        """The batch of that step; nothing in it is masked."""
        rng = np.random.default_rng((self.people.seed, step))
        numbers = self.people.choose(rng)
        places = _window if self.rule == "window" else _chunks
        rows = [self.data.tracks[number].rows for number in numbers]
        clips = [each[places(rng, len(each), self.people.frames, self.stride)] for each in rows]
        return _draw(self.data, numbers, clips, self.people.frames)


def _window(rng: np.random.Generator, length: int, frames: int, stride: int) -> Rows:
    """Places of T frames in a track, (T,), in order of time unless the track is shorter than T and begins again."""
    step = max(1, min(stride, (length - 1) // max(1, frames - 1)))
    first = int(rng.integers(max(1, length - step * (frames - 1))))
    return (first + step * np.arange(frames)) % length


def _chunks(rng: np.random.Generator, length: int, frames: int, _: int) -> Rows:
    """The same, one in each of T parts; of a track shorter than T some places come twice."""
    places: Rows = ((np.arange(frames) + rng.random(frames)) * length / frames).astype(np.int64)
    return places


@dataclass(frozen=True, slots=True)
class TrackSampler:
    """Tracks, whoever they show: some of every data set in each batch. Identities are not looked at."""

    data: TrainingSet
    tracks: Sequence[int]  # of each data set, in order
    frames: int  # T, at most
    seed: int

    def draw(self, step: int) -> Draw:
        """The batch of that step: different tracks, as far as a data set has so many."""
        rng = np.random.default_rng((self.seed, step))
        numbers: list[int] = []
        for persons, wanted in zip(self.data.persons_of_domain, self.tracks, strict=True):
            own = np.concatenate([self.data.tracks_of_person[person] for person in persons])
            numbers += rng.choice(own, wanted, replace=wanted > len(own)).tolist()
        return _draw(
            self.data, numbers, [_frames(rng, self.data, number, self.frames) for number in numbers], self.frames
        )


def _frames(rng: np.random.Generator, data: TrainingSet, number: int, most: int) -> Rows:
    """Frames of one track: all of a short one, else `most` of them, in order of time."""
    rows = data.tracks[number].rows
    if len(rows) <= most:
        return rows
    return rows[np.sort(rng.choice(len(rows), most, replace=False))]


def _draw(data: TrainingSet, numbers: list[int], frames: list[Rows], longest: int) -> Draw:
    rows = np.zeros((len(numbers), longest), np.int64)
    mask = np.zeros((len(numbers), longest), np.bool_)
    for place, some in enumerate(frames):
        rows[place, : len(some)], mask[place, : len(some)] = some, True
    person = np.array([data.tracks[number].person for number in numbers])
    camera = np.array([data.tracks[number].camera for number in numbers])
    return Draw(rows, mask, person, camera, np.array(numbers), data.domain_of_person[person])
