"""PRID-2011 (Hirzer et al., SCIA 2011), multi-shot: two cameras over a street, the first 200 persons seen by both.

Frames are multi_shot/cam_a/person_PPPP/FFFF.png and cam_b's. The usual subset is the 178 persons of at least 27 frames
in both cameras; another in use is the 183 of at least 21.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from model.data.folders import check_count, folder_of, track_in
from model.data.lists import Halves, read_halves
from model.data.records import Dataset, Picture

FOLDER, CAMERAS = "prid_2011", ("multi_shot/cam_a", "multi_shot/cam_b")
SPLITS = "train_test_splits_prid.mat"  # comes with iLIDS-VID, whose authors split both (Wang et al., ECCV 2014)
NAME = re.compile(r"(\d{4})\.png", re.ASCII)
RULE = "FFFF.png"
MIN_FRAMES = 27


@dataclass(frozen=True, slots=True)
class Published:
    """Persons seen by both cameras, and those of them with at least 27 frames in both."""

    shared: int
    usual: int


PUBLISHED = Published(shared=200, usual=178)


def load(root: Path, published: Published = PUBLISHED, split: int = 0) -> Dataset:
    """The persons of at least 27 frames in both cameras, by folder number; query camera A (1), gallery B (2).

    With `train_test_splits_prid.mat` in the folder, half of them train and half test, by the split of that number (0 to
    9; the usual figure is the mean of all ten). Without it train and test are **the same people**, all of them.

    Raises:
        DataError: a folder is missing, a name is none of PRID's, or the persons are not as many as published.
    """
    folder = folder_of(root, FOLDER, CAMERAS)
    camera_a, camera_b = (_tracks(folder / name, camera, published.shared) for camera, name in enumerate(CAMERAS, 1))
    usual = [pair for pair in zip(camera_a, camera_b, strict=True) if min(map(len, pair)) >= MIN_FRAMES]
    check_count(folder, f"persons of at least {MIN_FRAMES} frames in both cameras", len(usual), published.usual)
    everybody = tuple(range(len(usual)))
    halves = Halves(everybody, everybody)
    if (folder / SPLITS).is_file():
        halves = read_halves(folder / SPLITS, split, len(usual))
    train = tuple(picture for place in halves.train for track in usual[place] for picture in track)
    query = tuple(picture for place in halves.test for picture in usual[place][0])
    gallery = tuple(picture for place in halves.test for picture in usual[place][1])
    return Dataset("prid2011", train, query, gallery)


def _tracks(folder: Path, camera: int, shared: int) -> list[tuple[Picture, ...]]:
    """The tracks of one camera; those of persons that the other camera never saw come after the shared ones."""
    persons = [person for person in range(1, shared + 1) if (folder / f"person_{person:04}").is_dir()]
    check_count(folder, "persons seen by both cameras (person_0001 and on)", len(persons), shared)
    return [track_in(folder / f"person_{person:04}", person, camera, NAME, RULE) for person in persons]
