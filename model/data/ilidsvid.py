"""iLIDS-VID (Wang et al., ECCV 2014): two cameras in an airport, 300 persons, one sequence each per camera.

Frames are i-LIDS-VID/sequences/cam1/personPPP/cam1_personPPP_FFFFF.png and cam2's; persons are numbered up to 319, with
gaps.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from model.data.errors import PartialData
from model.data.folders import check_count, check_lengths, folder_of, folders_in, track_in
from model.data.lists import read_halves
from model.data.records import Dataset, Picture

FOLDER, CAMERAS = "iLIDS-VID", ("i-LIDS-VID/sequences/cam1", "i-LIDS-VID/sequences/cam2")
SPLITS = "train-test people splits/train_test_splits_ilidsvid.mat"


@dataclass(frozen=True, slots=True)
class Published:
    """Persons, and the frames of the shortest and of the longest sequence; no source counts the pictures."""

    persons: int
    shortest: int
    longest: int


PUBLISHED = Published(persons=300, shortest=23, longest=192)


def load(root: Path, published: Published = PUBLISHED, split: int = 0) -> Dataset:
    """One of the authors' ten splits (0 to 9): 150 persons train, 150 test; query camera 1, gallery camera 2.

    The usual figure is the mean over all ten. `root` holds `i-LIDS-VID` and `train-test people splits`, as unpacked.

    Raises:
        DataError: a folder or the list of splits is missing, a name is none of iLIDS-VID's, persons are missing, or a
            sequence is shorter or longer than all that were published.
    """
    folder = folder_of(root, FOLDER, (*CAMERAS, SPLITS))
    camera_1, camera_2 = (_tracks(folder / name, camera, published) for camera, name in enumerate(CAMERAS, 1))
    if list(camera_1) != list(camera_2):
        only = sorted(set(camera_1) ^ set(camera_2))
        raise PartialData(f"{folder} holds person {only[0]} in one camera and not in the other: unpack it again")
    pairs = [(camera_1[person], camera_2[person]) for person in sorted(camera_1)]
    halves = read_halves(folder / SPLITS, split, len(pairs))
    train = tuple(picture for place in halves.train for track in pairs[place] for picture in track)
    query = tuple(picture for place in halves.test for picture in pairs[place][0])
    gallery = tuple(picture for place in halves.test for picture in pairs[place][1])
    return Dataset("ilidsvid", train, query, gallery)


def _tracks(folder: Path, camera: int, published: Published) -> Mapping[int, tuple[Picture, ...]]:
    """The track of each person of one camera."""
    folders = [each for each in folders_in(folder) if re.fullmatch(r"person\d{3}", each.name)]
    check_count(folder, "persons", len(folders), published.persons)
    tracks = {int(each.name[-3:]): _track(each, camera) for each in folders}
    check_lengths(tracks.values(), published.shortest, published.longest)
    return tracks


def _track(folder: Path, camera: int) -> tuple[Picture, ...]:
    stem = f"cam{camera}_{folder.name}"
    return track_in(folder, int(folder.name[-3:]), camera, re.compile(rf"{stem}_(\d+)\.png"), f"{stem}_FFFFF.png")
