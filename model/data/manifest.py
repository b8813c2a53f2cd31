"""Pictures listed in a CSV file: `path,person_id,camera_id[,track_id,frame,split]`, one row a picture."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from model.data.errors import BadList, MissingData
from model.data.folders import PICTURE_SUFFIXES, check_listed
from model.data.records import DISTRACTOR, JUNK, Dataset, Picture

FILE = "manifest.csv"
COLUMNS = ("path", "person_id", "camera_id")
OPTIONAL = ("track_id", "frame", "split")
MOST_DIGITS = 18  # of a number that is kept: 64 bits hold it
TRAIN, QUERY, GALLERY = SPLITS = ("train", "query", "gallery")


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it is written; `place` says where, for messages. A column that is not there is an empty string."""

    place: str
    path: Path
    person: str
    camera: str
    track: str = ""
    frame: str = ""
    split: str = ""
    known: tuple[tuple[str, str], ...] = ()  # every other column, and what it says


def load(root: Path) -> Dataset:
    """The data set of a manifest: `root` is the file itself, or the folder that holds `manifest.csv`.

    Paths start from the folder of the file. Identifiers may be any text: if all persons (or cameras, or tracks) are
    whole numbers they keep them, else they are numbered from 1 in alphabetical order; person -1 is junk and 0 a
    distractor either way. A row without track_id is a picture by itself; without the column `frame` a track is in the
    order of its rows.

    With the column `split` each row says train, query or gallery. Without it every person's row is in `train` **and**
    tested: the gallery is every row, the queries are each person's first track (or picture) in each camera; they stay
    in the gallery, where the rule of the same camera hides them, since a person with one track a camera would else have
    no right answer.

    Raises:
        DataError: the manifest or a picture is missing, or a row does not say what it must; names the line.
    """
    path = root / FILE if root.is_dir() else root
    rows = read_rows(path, path.parent)
    pictures = _pictures(path, rows)
    check_listed(path.parent, (picture.path for picture in pictures))
    if not any(row.split for row in rows):
        persons = tuple(picture for picture in pictures if picture.person > 0)
        return Dataset("csv", persons, _first_tracks(persons), pictures)
    parts: dict[str, list[Picture]] = {split: [] for split in SPLITS}
    for row, picture in zip(rows, pictures, strict=True):
        _check_split(path, row, picture)
        parts[row.split].append(picture)
    return Dataset("csv", *(tuple(parts[split]) for split in SPLITS))


def read_rows(manifest: Path, root: Path) -> list[Row]:
    """The rows of a manifest, each with a path under `root`; files are not looked for.

    Raises:
        MissingData: the manifest is not there or cannot be read.
        BadList: it is no CSV text, a column is missing, or a row has no path, person or camera.
    """
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise BadList(f"a manifest has the columns {','.join(COLUMNS)}, and {manifest} lacks {missing}")
            return [_row(manifest, root, row, f"line {reader.line_num}") for row in reader]
    except OSError as error:
        raise MissingData(f"the manifest {manifest} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadList(f"the manifest {manifest} cannot be read: {error}") from error


def _row(manifest: Path, root: Path, row: Mapping[str, str | None], place: str) -> Row:
    values = {name: (row.get(name) or "").strip() for name in (*COLUMNS, *OPTIONAL)}
    empty = [name for name in COLUMNS if not values[name]]
    if empty:
        raise BadList(f"every row of a manifest has {', '.join(COLUMNS)}, and {place} of {manifest} has no {empty[0]}")
    known = {name: (value or "").strip() for name, value in row.items() if name and name not in values}
    path, person, camera, track, number, split = values.values()
    return Row(place, root / path, person, camera, track, number, split, tuple(known.items()))


def _pictures(manifest: Path, rows: Sequence[Row]) -> tuple[Picture, ...]:
    persons = {"-1": JUNK, "0": DISTRACTOR} | _numbers(row.person for row in rows if row.person not in ("-1", "0"))
    cameras = _numbers(row.camera for row in rows)
    tracks = {"": -1} | _numbers(row.track for row in rows if row.track)
    seen: dict[Path, str] = {}
    pictures = []
    for row in rows:
        if row.path in seen:
            raise BadList(f"{row.place} of {manifest} names {row.path}, which {seen[row.path]} names already")
        seen[row.path] = row.place
        if row.path.suffix.lower() not in PICTURE_SUFFIXES:
            raise BadList(f"{row.place} of {manifest} names {row.path}, which is no picture: cut footage first")
        frame = _frame(manifest, row)
        person, camera, track = persons[row.person], cameras[row.camera], tracks[row.track]
        pictures.append(Picture(row.path, person, camera, track, frame, row.known))
    return tuple(pictures)


def _numbers(values: Iterable[str]) -> dict[str, int]:
    """Each identifier's number: its own where all are plain whole numbers, else from 1 in alphabetical order."""
    names = sorted(set(values))
    if all(
        len(name) <= MOST_DIGITS and name.isascii() and name.isdecimal() and str(int(name)) == name for name in names
    ):
        return {name: int(name) for name in names}
    return {name: number for number, name in enumerate(names, 1)}


def _frame(manifest: Path, row: Row) -> int:
    if not row.frame:
        return 0
    try:
        return int(row.frame)
    except ValueError as error:
        raise BadList(f"frame is a whole number, and {row.place} of {manifest} has {row.frame!r}") from error


def _check_split(manifest: Path, row: Row, picture: Picture) -> None:
    if row.split not in SPLITS:
        raise BadList(f"split is one of {', '.join(SPLITS)} in every row or none, and {row.place} has {row.split!r}")
    if picture.person <= 0 and row.split != GALLERY:
        raise BadList(
            f"{row.place} of {manifest} gives {row.split} a picture of nobody (person {picture.person}): junk and"
            " distractors belong to the gallery"
        )


def _first_tracks(pictures: Iterable[Picture]) -> tuple[Picture, ...]:
    """The pictures of the first track of each person and camera, or the first picture where it has no track."""
    pictures = tuple(pictures)
    first: dict[tuple[int, int], Picture] = {}
    for picture in pictures:
        first.setdefault((picture.person, picture.camera), picture)

    def wanted(picture: Picture) -> bool:
        chosen = first[picture.person, picture.camera]
        return picture is chosen or picture.track == chosen.track >= 0

    return tuple(picture for picture in pictures if wanted(picture))
