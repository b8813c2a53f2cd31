"""CUHK01 (Li, Zhao, Wang, ACCV 2012): 971 persons, two cameras, two pictures a person and camera.

Files are named campus/IIIIVVV.png: person, and view 001 and 002 (camera A) or 003 and 004 (camera B).
"""

import re
from pathlib import Path

from model.data.folders import check_counts, folder_of, pictures_in
from model.data.records import Counts, Dataset, Picture

FOLDER, PART = "CUHK01", "campus"
NAME = re.compile(r"(\d{4})00([1-4])\.png", re.ASCII)
RULE = "IIIIVVV.png with the view VVV from 001 to 004"
PUBLISHED = Counts(3_884, 971)
CAMERA_A, CAMERA_B = 1, 2


def load(root: Path, published: Counts = PUBLISHED) -> Dataset:
    """All of the data set: the folder `campus`, one that holds it, or the one above (`CUHK01`).

    No split is kept here, so train and test are **the same people**: `train` is every picture, `query` every picture of
    camera A (1), `gallery` every picture of camera B (2). Test on it only what was not trained on it.

    Raises:
        DataError: the folder is missing, a name is none of CUHK01's, or a count is not the published one.
    """
    folder = root if root.name == PART and root.is_dir() else folder_of(root, FOLDER, (PART,)) / PART
    pictures = pictures_in(folder, parse, RULE)
    check_counts(folder, pictures, published)
    camera_a = tuple(picture for picture in pictures if picture.camera == CAMERA_A)
    camera_b = tuple(picture for picture in pictures if picture.camera == CAMERA_B)
    return Dataset("cuhk01", pictures, camera_a, camera_b)


def parse(path: Path) -> Picture | None:
    """The picture that a file of CUHK01's naming is; None for any other name."""
    match = NAME.fullmatch(path.name)
    if match is None or match[1] == "0000":
        return None
    view = int(match[2])
    return Picture(path, int(match[1]), CAMERA_A if view <= 2 else CAMERA_B, frame=view)
