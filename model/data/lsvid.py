"""LS-VID (Li et al., ICCV 2019): fifteen cameras on a campus, 3,772 persons, long sequences.

`list_sequence/list_seq_train.txt` and `..._test.txt` hold a line for each track: the start of its files' names, and the
person. Files are named <start>_CC_....jpg or .png with the camera third between underscores. `test/data/info_test.mat`
names the queries (from 1, into the test list). Written from published loaders, and not tried on the data set itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from model.data.errors import BadList, BadName, MissingData
from model.data.folders import check_count, folder_of, picture_files
from model.data.lists import read_lines, read_matrix
from model.data.records import JUNK, Dataset, Picture

FOLDER = "LS-VID"
TRAIN, TEST = "list_sequence/list_seq_train.txt", "list_sequence/list_seq_test.txt"
QUERY = "test/data/info_test.mat"
CAMERAS = 15


@dataclass(frozen=True, slots=True)
class Published:
    """Tracks, and persons to train and to test on."""

    train: int
    test: int
    query: int
    train_persons: int
    test_persons: int


# Persons as in the paper; tracks as published loaders count them.
PUBLISHED = Published(train=2_831, test=11_333, query=3_504, train_persons=842, test_persons=2_730)


@dataclass(frozen=True, slots=True)
class Line:
    """A track of the lists: the start of its files' paths, and the person as the list numbers it (-1: junk)."""

    start: Path
    person: int


def load(root: Path, published: Published = PUBLISHED) -> Dataset:
    """The data set with its lists in one folder. `track` is the line of the track in its list, counted from 0.

    Persons are numbered from 1 in the order of the lists' numbers, those of the test after those of train. `gallery` is
    the whole test list: the queries are in it, and the rule of the same camera hides them from themselves. 2.8 million
    pictures take more than 1 GB.

    Raises:
        DataError: a folder, a list or the files of a track are missing, or a list is not the published one.
    """
    folder = folder_of(root, FOLDER, (TRAIN, TEST, QUERY))
    train, test = (_lines(folder / name, folder) for name in (TRAIN, TEST))
    query = [int(row) - 1 for row in read_matrix(folder / QUERY, "query").ravel()]
    check_count(folder / TRAIN, "tracks", len(train), published.train)
    check_count(folder / TEST, "tracks", len(test), published.test)
    check_count(folder / QUERY, "queries", len(query), published.query)
    if not all(0 <= row < len(test) for row in query):
        raise BadList(f"{folder / QUERY} must name tracks of the test list, from 1 to {len(test)}, and does not")
    numbers = _numbers(train, 1)
    check_count(folder / TRAIN, "persons", len(numbers), published.train_persons)
    test_numbers = _numbers(test, len(numbers) + 1)
    check_count(folder / TEST, "persons", len(test_numbers), published.test_persons)
    trained, tested = _tracks(train, numbers), _tracks(test, test_numbers)
    return Dataset("lsvid", _joined(trained), _joined([tested[row] for row in query]), _joined(tested))


def _lines(path: Path, folder: Path) -> list[Line]:
    lines = []
    for line in read_lines(path):
        start, _, person = line.rpartition(" ")
        if not start or not person.removeprefix("-").isdecimal() or int(person) < JUNK:
            raise BadList(f"{path} must hold lines of a path and a person, and holds {line!r}")
        lines.append(Line(folder / start, int(person)))
    return lines


def _numbers(lines: Sequence[Line], first: int) -> dict[int, int]:
    persons = sorted({line.person for line in lines} - {JUNK})
    return {person: number for number, person in enumerate(persons, first)}


def _tracks(lines: Sequence[Line], numbers: dict[int, int]) -> list[tuple[Picture, ...]]:
    """The pictures of each line; a folder that several tracks share is read once."""
    files: dict[Path, list[Path]] = {}
    tracks = []
    for row, line in enumerate(lines):
        folder = line.start.parent
        if folder not in files:
            files[folder] = picture_files(folder)
        own = [path for path in files[folder] if path.name.startswith(line.start.name.rstrip("_") + "_")]
        if not own:
            raise MissingData(f"{folder} holds no files {line.start.name}_...: unpack the data set again")
        camera = _camera(own)
        person = numbers.get(line.person, JUNK)
        tracks.append(tuple(Picture(path, person, camera, row, frame) for frame, path in enumerate(own)))
    return tracks


def _camera(paths: Sequence[Path]) -> int:
    """The one camera that all the files of a track name."""
    named = {path.stem.split("_")[2] if path.stem.count("_") >= 2 else "" for path in paths}
    camera = named.pop()
    if named or not camera.isdecimal() or not 1 <= int(camera) <= CAMERAS:
        raise BadName(
            f"{paths[0]} and the rest of its track must name one camera from 1 to {CAMERAS} third between underscores"
        )
    return int(camera)


def _joined(tracks: Sequence[tuple[Picture, ...]]) -> tuple[Picture, ...]:
    return tuple(picture for track in tracks for picture in track)
