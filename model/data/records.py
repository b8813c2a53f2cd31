"""What every data set comes down to: pictures of persons, by camera and time."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

JUNK: Final = -1  # a picture that counts neither as right nor as wrong
DISTRACTOR: Final = 0  # a picture of nobody that is asked for: always wrong


@dataclass(frozen=True, slots=True)
class Picture:
    """One image file that shows one person (or, as junk or distractor, nobody in particular).

    person: above 0 and numbered within the data set, or JUNK or DISTRACTOR.
    track: pictures of one person and camera with the same number >= 0 are one track, in order of frame; -1: none known.
    frame: grows with time within a track; its unit is the data set's own.
    """

    path: Path
    person: int
    camera: int
    track: int = -1
    frame: int = 0
    known: tuple[tuple[str, str], ...] = ()  # what else a manifest says: columns and values


@dataclass(frozen=True, slots=True)
class Track:
    """Pictures of one person from one camera, in order of time; an image is a track of one path."""

    person: int
    camera: int
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set as its authors split it. Query and gallery hold nobody of `train`, unless its loader says so."""

    name: str
    train: tuple[Picture, ...]
    query: tuple[Picture, ...]
    gallery: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """Pictures in a part of a data set, and different persons (above 0) among them."""

    pictures: int
    persons: int


@dataclass(frozen=True, slots=True)
class SplitCounts:
    """Counts of the three parts of a data set."""

    train: Counts
    query: Counts
    gallery: Counts
