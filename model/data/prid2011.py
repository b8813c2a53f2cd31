"""PRID-2011 (Hirzer et al., SCIA 2011), multi-shot: two cameras over a street, the first 200 persons seen by both.

Frames are multi_shot/cam_a/person_PPPP/FFFF.png and cam_b's. The usual subset is the 178 persons of at least 27 frames
in both cameras; another in use is the 183 of at least 21.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from model.data.errors import MissingData
from model.data.folders import check_count, check_lengths, folder_of, track_in
from model.data.lists import Halves, read_halves
from model.data.records import Dataset, Picture

FOLDER, CAMERAS = "prid_2011", ("multi_shot/cam_a", "multi_shot/cam_b")
SPLITS = "train_test_splits_prid.mat"  # comes with iLIDS-VID, whose authors split both (Wang et al., ECCV 2014)
NAME = re.compile(r"(\d{4})\.png", re.ASCII)
RULE = "FFFF.png"
MIN_FRAMES = 27


@dataclass(frozen=True, slots=True)
class Published:
    """Persons seen by both cameras, those of them with at least 27 frames in both, and the frames of the shortest and
    of the longest track; no source counts the pictures."""

    shared: int
    usual: int
    shortest: int
    longest: int


PUBLISHED = Published(shared=200, usual=178, shortest=5, longest=675)


def load(root: Path, published: Published = PUBLISHED, split: int | None = None) -> Dataset:
    """The persons of at least 27 frames in both cameras, by folder number; query camera A (1), gallery B (2).

    With `train_test_splits_prid.mat` in the folder, half of them train and half test, by the split of that number (0 to
    9, None is 0; the usual figure is the mean of all ten). Without it train and test are **the same people**, all of
    them, and no split can be asked for.

    Raises:
        DataError: a folder or the list of the split asked for is missing, a name is none of PRID's, the persons are
            not as many as published, or a track is shorter or longer than all that were.
    """
    folder = folder_of(root, FOLDER, CAMERAS)
    camera_a, camera_b = (_tracks(folder / name, camera, published) for camera, name in enumerate(CAMERAS, 1))
    usual = [pair for pair in zip(camera_a, camera_b, strict=True) if min(map(len, pair)) >= MIN_FRAMES]
    check_count(folder, f"persons of at least {MIN_FRAMES} frames in both cameras", len(usual), published.usual)
    everybody = tuple(range(len(usual)))
    halves = Halves(everybody, everybody)
    if (folder / SPLITS).is_file():
        halves = read_halves(folder / SPLITS, split or 0, len(usual))
    elif split is not None:
        raise MissingData(f"split {split} needs {SPLITS}, which is not in {folder}: put it there (iLIDS-VID has it)")
    train = tuple(picture for place in halves.train for track in usual[place] for picture in track)
    query = tuple(picture for place in halves.test for picture in usual[place][0])
    gallery = tuple(picture for place in halves.test for picture in usual[place][1])
    return Dataset("prid2011", train, query, gallery)


def _tracks(folder: Path, camera: int, published: Published) -> list[tuple[Picture, ...]]:
    """The tracks of one camera; those of persons that the other camera never saw come after the shared ones."""
    persons = [person for person in range(1, published.shared + 1) if (folder / f"person_{person:04}").is_dir()]
    check_count(folder, "persons seen by both cameras (person_0001 and on)", len(persons), published.shared)
    tracks = [track_in(folder / f"person_{person:04}", person, camera, NAME, RULE) for person in persons]
    check_lengths(tracks, published.shortest, published.longest)
    return tracks
