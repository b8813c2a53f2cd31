"""CUHK03 (Li et al., CVPR 2014): pairs of campus cameras, 1,467 persons in all. Two forms are read.

The new protocol (Zhong et al., CVPR 2017), `cuhk03-np`: `labeled/bounding_box_train`, `query` and `bounding_box_test`,
files named PPPP_cC_N.png: person, camera, number. The public partial folder with hand-labelled boxes of 843 persons:
`labeled/train` and `labeled/val`, files named PPPP_VV.jpg: person, counted from 0000 in train and in val anew, and
view, 00-04 of the first camera and 05-09 of the second.

The authors' own `cuhk-03.mat` holds all pictures in one MATLAB file; it is not read, and refused by name.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from model.data.errors import MissingData
from model.data.folders import check_counts, folder_of, pictures_in
from model.data.records import Counts, Dataset, Picture, SplitCounts

FOLDER, NEW_FOLDER = "CUHK03", "cuhk03-np"
MATLAB = ("cuhk-03.mat", "cuhk03_release/cuhk-03.mat")
NEW_PARTS = ("labeled/bounding_box_train", "labeled/query", "labeled/bounding_box_test")
NEW_NAME = re.compile(r"(\d{4})_c([12])_(\d+)\.png", re.ASCII)
NEW_RULE = "PPPP_cC_N.png with the camera C 1 or 2"
TRAIN, VAL = "labeled/train", "labeled/val"
NAME = re.compile(r"(\d{4})_0(\d)\.jpg", re.ASCII)
RULE = "PPPP_VV.jpg with the view VV from 00 to 09"
FIRST_CAMERA, SECOND_CAMERA = 1, 2


@dataclass(frozen=True, slots=True)
class PublicPart:
    """What the public partial folder holds."""

    train: Counts
    val: Counts


PUBLIC = PublicPart(train=Counts(7_239, 743), val=Counts(938, 100))
NEW_PROTOCOL = SplitCounts(train=Counts(7_368, 767), query=Counts(1_400, 700), gallery=Counts(5_328, 700))


def load(root: Path, public: PublicPart = PUBLIC, new_protocol: SplitCounts = NEW_PROTOCOL) -> Dataset:
    """The new protocol where its folders are, else the public partial folder: `root` itself or the folder above.

    Of the public folder `train` is **everything**, val included; `query` is val's first camera (1) and `gallery` val's
    second (2), with the persons of val numbered after those of train. Test on it only what was not trained on it.
    `detected/val`, a copy of `labeled/val`, is passed over, and so are the new protocol's detected boxes.

    Raises:
        DataError: a folder is missing, only the MATLAB file is there, a name is none of CUHK03's, or a count is not
            the published one.
    """
    if any((folder / NEW_PARTS[0]).is_dir() for folder in (root, root / NEW_FOLDER)):
        return _new_protocol(folder_of(root, NEW_FOLDER, NEW_PARTS), new_protocol)
    if not any((folder / TRAIN).is_dir() for folder in (root, root / FOLDER)):
        _refuse_matlab(root)
    return _public_part(folder_of(root, FOLDER, (TRAIN, VAL)), public)


def _refuse_matlab(root: Path) -> None:
    for file in (folder / name for folder in (root, root / FOLDER) for name in MATLAB):
        if file.is_file():
            raise MissingData(
                f"{file} holds CUHK03 as one MATLAB file, which is not read: give {NEW_FOLDER}, the same pictures as "
                f"files and split by the new protocol (Zhong et al., CVPR 2017), with {', '.join(NEW_PARTS)}"
            )


def _new_protocol(folder: Path, published: SplitCounts) -> Dataset:
    train, query, gallery = (pictures_in(folder / part, parse_new, NEW_RULE) for part in NEW_PARTS)
    check_counts(folder / NEW_PARTS[0], train, published.train)
    check_counts(folder / NEW_PARTS[1], query, published.query)
    check_counts(folder / NEW_PARTS[2], gallery, published.gallery)
    return Dataset("cuhk03", train, query, gallery)


def _public_part(folder: Path, public: PublicPart) -> Dataset:
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


def parse_new(path: Path) -> Picture | None:
    """The picture that a file of the new protocol's naming is; None for any other name."""
    match = NEW_NAME.fullmatch(path.name)
    if match is None:
        return None
    person, camera, number = (int(group) for group in match.groups())
    return Picture(path, person, camera, frame=number)
