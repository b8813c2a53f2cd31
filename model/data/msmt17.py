"""MSMT17 (Wei et al., CVPR 2018): 15 cameras, 4,101 persons; both editions, V1 and V2 (faces blurred).

Four lists name PPPP/PPPP_NNN_CC_....jpg and the person: number within the person, camera. Persons count from 0, in
train and in test anew.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from model.data.errors import BadList, MissingData
from model.data.folders import check_counts, check_listed, folder_of
from model.data.lists import read_lines
from model.data.records import Counts, Dataset, Picture, SplitCounts

LISTS = ("list_train.txt", "list_val.txt", "list_query.txt", "list_gallery.txt")
LINE = re.compile(r"(\d{4}/\d{4}_(\d{3,})_(\d{2})_\w+\.jpg) (\d+)", re.ASCII)
CAMERAS = 15
PUBLISHED = SplitCounts(train=Counts(32_621, 1_041), query=Counts(11_659, 3_060), gallery=Counts(82_161, 3_060))


@dataclass(frozen=True, slots=True)
class Form:
    """Names of the folders of one edition."""

    folder: str
    train: str
    test: str


FORMS = (Form("MSMT17_V2", "mask_train_v2", "mask_test_v2"), Form("MSMT17_V1", "train", "test"))


def load(root: Path, published: SplitCounts = PUBLISHED) -> Dataset:
    """The data set in one of its folders, MSMT17_V1 or MSMT17_V2, or in the folder above.

    `train` is the authors' train and val lists together (the 32,621 pictures of the paper's training set); persons of
    the test are numbered after those of train. No tracks: `track` is -1, `frame` the number of the picture within its
    person.

    Raises:
        DataError: a folder, a list or a listed picture is missing, a line is none of MSMT17's, or a count is not
        published.
    """
    form, folder = _form_of(root)
    train = _listed(folder, form.train, LISTS[:2], 1)
    offset = max((picture.person for picture in train), default=0) + 1
    query = _listed(folder, form.test, LISTS[2:3], offset)
    gallery = _listed(folder, form.test, LISTS[3:], offset)
    for part, counts in ((train, published.train), (query, published.query), (gallery, published.gallery)):
        check_counts(folder, part, counts)
    return Dataset("msmt17", train, query, gallery)


def _form_of(root: Path) -> tuple[Form, Path]:
    for form in FORMS:
        if any((folder / form.train).is_dir() for folder in (root, root / form.folder)):
            return form, folder_of(root, form.folder, (form.train, form.test, *LISTS))
    wanted = " or ".join(f"{form.folder} with {form.train} and {form.test}" for form in FORMS)
    raise MissingData(f"{root} holds neither edition of MSMT17: give {wanted}, or the folder above it")


def _listed(folder: Path, part: str, lists: tuple[str, ...], offset: int) -> tuple[Picture, ...]:
    """The pictures of some lists, all in one folder; list person 0 is person `offset`."""
    pictures = tuple(
        _parse(folder / name, folder / part, line, offset) for name in lists for line in read_lines(folder / name)
    )
    check_listed(folder / part, (picture.path for picture in pictures))
    return pictures


def _parse(path: Path, part: Path, line: str, offset: int) -> Picture:
    match = LINE.fullmatch(line)
    if match is None or not 1 <= int(match[3]) <= CAMERAS:
        raise BadList(
            f"{path} must hold lines like '0000/0000_000_01_0303morning_0008_0.jpg 0', cameras from 01 to {CAMERAS},"
            f" and holds {line!r}: take the list that comes with the data set"
        )
    return Picture(part / match[1], int(match[4]) + offset, int(match[3]), frame=int(match[2]))
