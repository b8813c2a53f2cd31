"""MARS (Zheng et al., ECCV 2016): Market-1501's six cameras as video, 1,261 persons.

Frames are bbox_train/PPPP/PPPPCcTttttFfff.jpg and bbox_test's (person 00-1 is junk, 0000 a distractor). The lists in
`info` cut them into tracklets: rows of first frame, last frame (from 1, into the file of names), person, camera.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from model.data.errors import BadList
from model.data.folders import check_count, check_listed, folder_of
from model.data.lists import Matrix, read_lines, read_matrix
from model.data.records import JUNK, Dataset, Picture

FOLDER, INFO, TRAIN, TEST = "MARS", "info", "bbox_train", "bbox_test"
TRAIN_NAMES, TEST_NAMES = "train_name.txt", "test_name.txt"
NAME = re.compile(r"(00-1|\d{4})C([1-6])T\d{4}F(\d{3,})\.jpg", re.ASCII)


@dataclass(frozen=True, slots=True)
class Tracklet:
    """A row of the lists: frames `first` to `last`, counted from 0 into the names, `last` not included."""

    first: int
    last: int
    person: int
    camera: int


@dataclass(frozen=True, slots=True)
class Tracklets:
    """What the `.mat` lists say, in their order; `query` counts from 0 into `test`."""

    train: tuple[Tracklet, ...]
    test: tuple[Tracklet, ...]
    query: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """Tracklets, and persons to train and to test on."""

    train: int
    test: int
    query: int
    train_persons: int
    test_persons: int


# Counted in the authors' lists; papers say 636 persons in the test.
PUBLISHED = Published(train=8_298, test=12_180, query=1_980, train_persons=625, test_persons=634)


def load(root: Path, published: Published = PUBLISHED) -> Dataset:
    """The data set with its `info` in one folder. `track` is the row of the tracklet in its list, counted from 0.

    `gallery` is the whole test list as in the authors' script: junk, distractors and the queries too, which the rule of
    the same camera hides from themselves (without them 140 queries have no right answer). Queries are the same objects
    as in `gallery`; 1.2 million pictures take about half a GB.

    Raises:
        DataError: a folder, a list or a listed frame is missing, or a list is not the published one.
    """
    folder = folder_of(root, FOLDER, (INFO, TRAIN, TEST))
    lists = read_tracklets(folder / INFO, published)
    train = _frames(folder / TRAIN, folder / INFO / TRAIN_NAMES, lists.train)
    test = _frames(folder / TEST, folder / INFO / TEST_NAMES, lists.test)
    for part, tracks in ((TRAIN, train), (TEST, test)):
        check_listed(folder / part, (picture.path for track in tracks for picture in track))
    query = tuple(picture for row in lists.query for picture in test[row])
    return Dataset("mars", _joined(train), query, _joined(test))


def read_tracklets(info: Path, published: Published = PUBLISHED) -> Tracklets:
    """The tracklets of the three `.mat` lists, without a look at names or pictures.

    Raises:
        MissingData: a list is not there.
        BadList: a list is not made as MARS's are.
        PartialData: a list has another number of tracklets or persons than published.
    """
    train = _rows(info / "tracks_train_info.mat", "track_train_info")
    test = _rows(info / "tracks_test_info.mat", "track_test_info")
    query = tuple(int(row) - 1 for row in read_matrix(info / "query_IDX.mat", "query_IDX").ravel())
    check_count(info, "training tracklets", len(train), published.train)
    check_count(info, "persons to train on", _persons(train), published.train_persons)
    check_count(info, "test tracklets", len(test), published.test)
    check_count(info, "persons to test on", _persons(test), published.test_persons)
    check_count(info, "queries", len(query), published.query)
    if not all(0 <= row < len(test) and test[row].person > 0 for row in query):
        raise BadList(f"query_IDX in {info} must name test tracklets of persons from 1 to {len(test)}, and does not")
    return Tracklets(train, test, query)


def _rows(path: Path, name: str) -> tuple[Tracklet, ...]:
    rows: Matrix = read_matrix(path, name)
    if rows.shape[1] != 4 or (rows[:, 0] < 1).any() or (rows[:, 1] < rows[:, 0]).any() or (rows[:, 2] < JUNK).any():
        raise BadList(f"{path} must hold rows of first frame, last frame, person, camera, and does not")
    return tuple(Tracklet(first - 1, last, person, camera) for first, last, person, camera in rows.tolist())


def _persons(tracklets: Sequence[Tracklet]) -> int:
    return len({tracklet.person for tracklet in tracklets if tracklet.person > 0})


def _frames(folder: Path, names_file: Path, tracklets: Sequence[Tracklet]) -> list[tuple[Picture, ...]]:
    """The pictures of each tracklet, each name checked against its row."""
    names = read_lines(names_file)
    check_count(names_file, "names", len(names), max(tracklet.last for tracklet in tracklets))
    return [
        tuple(_picture(folder, name, tracklet, row) for name in names[tracklet.first : tracklet.last])
        for row, tracklet in enumerate(tracklets)
    ]


def _picture(folder: Path, name: str, tracklet: Tracklet, row: int) -> Picture:
    match = NAME.fullmatch(name)
    said = (JUNK if match[1] == "00-1" else int(match[1]), int(match[2])) if match else None
    if match is None or said != (tracklet.person, tracklet.camera):
        raise BadList(
            f"the names beside {folder} give {name!r} to tracklet {row + 1}, which is of person {tracklet.person} in"
            f" camera {tracklet.camera}: take names and lists of one edition"
        )
    return Picture(folder / match[1] / name, tracklet.person, tracklet.camera, row, int(match[3]))


def _joined(tracks: Sequence[tuple[Picture, ...]]) -> tuple[Picture, ...]:
    return tuple(picture for track in tracks for picture in track)
