"""CUHK03 (Li et al., CVPR 2014): pairs of campus cameras, 1,467 persons in all.

One form is read: the public partial folder with hand-labelled boxes of 843 persons, `labeled/train` and `labeled/val`,
named PPPP_VV.jpg: person, counted from 0000 in train and in val anew, and view, 00-04 of the first camera and 05-09 of
the second.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from model.data.folders import check_counts, folder_of, pictures_in
from model.data.records import Counts, Dataset, Picture

FOLDER = "CUHK03"
TRAIN, VAL = "labeled/train", "labeled/val"
NAME = re.compile(r"(\d{4})_0(\d)\.jpg")
RULE = "PPPP_VV.jpg with the view VV from 00 to 09"
FIRST_CAMERA, SECOND_CAMERA = 1, 2


@dataclass(frozen=True, slots=True)
class PublicPart:
    """What the public partial folder holds."""

    train: Counts
    val: Counts


PUBLIC = PublicPart(train=Counts(7_239, 743), val=Counts(938, 100))


def load(root: Path, public: PublicPart = PUBLIC) -> Dataset:
    """The public partial folder: 843 persons, those of val numbered after those of train.

    `train` is **everything**, val included; `query` is val's first camera (1) and `gallery` val's second (2). Test on
    it only what was not trained on it. `detected/val`, a copy of `labeled/val`, is passed over.

    Raises:
        DataError: a folder is missing, a name is none of CUHK03's, or a count is not the published one.
    """
    folder = folder_of(root, FOLDER, (TRAIN, VAL))
    train = pictures_in(folder / TRAIN, parse, RULE)
    check_counts(folder / TRAIN, train, public.train)
    val = pictures_in(folder / VAL, parse, RULE)
    check_counts(folder / VAL, val, public.val)
    offset = max(picture.person for picture in train)
    val = tuple(replace(picture, person=picture.person + offset) for picture in val)
    query = tuple(picture for picture in val if picture.camera == FIRST_CAMERA)
    gallery = tuple(picture for picture in val if picture.camera == SECOND_CAMERA)
    return Dataset("cuhk03", train + val, query, gallery)


def parse(path: Path) -> Picture | None:
    """The picture that a file of the public folder's naming is, its person counted from 1; None for any other name."""
    match = NAME.fullmatch(path.name)
    if match is None:
        return None
    view = int(match[2])
    return Picture(path, int(match[1]) + 1, FIRST_CAMERA if view <= 4 else SECOND_CAMERA, frame=view)
