"""Folders as the authors of a data set distribute them: found, listed and counted, or refused with the reason."""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from model.data.errors import BadName, MissingData, PartialData
from model.data.records import Counts, Picture

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})


def folder_of(root: Path, name: str, members: Sequence[str]) -> Path:
    """The folder that holds all of `members`: `root` itself, or the sub-folder `name` in it.

    Raises:
        MissingData: neither holds them all; names those that the better of the two lacks.
    """
    if not root.is_dir():
        raise MissingData(f"{root} is not a folder: give the folder that holds {', '.join(members)}, or {name}")
    lacking = {folder: _lacking(folder, members) for folder in (root, root / name) if folder.is_dir()}
    folder = min(lacking, key=lambda each: len(lacking[each]))
    if lacking[folder]:
        raise MissingData(
            f"{folder} lacks {', '.join(lacking[folder])}: give the folder that holds {', '.join(members)}"
            f" as the authors distribute it, or the folder above with {name} in it"
        )
    return folder


def _lacking(folder: Path, members: Sequence[str]) -> list[str]:
    return [member for member in members if not (folder / member).exists()]


def picture_files(folder: Path) -> list[Path]:
    """The image files in a folder, by name; anything else (Thumbs.db, a readme, hidden files) is passed over.

    Raises:
        MissingData: the folder is not there or cannot be read, or one of the files is empty.
    """
    return [folder / name for name in sorted(_picture_names(folder))]


def _picture_names(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            found = {entry.name: entry.stat().st_size for entry in entries if _is_picture(entry)}
    except OSError as error:
        raise MissingData(f"{folder} cannot be read: {error.strerror}") from error
    empty = sorted(name for name, size in found.items() if size == 0)
    if empty:
        raise MissingData(f"{folder} holds {len(empty)} empty pictures, {empty[0]} the first of them: unpack again")
    return set(found)


def _is_picture(entry: os.DirEntry[str]) -> bool:
    name = entry.name
    return not name.startswith(".") and Path(name).suffix.lower() in PICTURE_SUFFIXES and entry.is_file()


def pictures_in(folder: Path, parse: Callable[[Path], Picture | None], rule: str) -> tuple[Picture, ...]:
    """Every image file of the folder as `parse` reads its name, by name.

    Raises:
        BadName: `parse` gave None for a name; `rule` says in words how names are made.
        MissingData: the folder or one of its files cannot be read.
    """
    pictures = []
    for path in picture_files(folder):
        picture = parse(path)
        if picture is None:
            raise BadName(f"{path} is not named {rule}: take the file out, or unpack the data set again")
        pictures.append(picture)
    return tuple(pictures)


def track_in(folder: Path, person: int, camera: int, name: re.Pattern[str], rule: str) -> tuple[Picture, ...]:
    """The one track of a person and camera that a folder is; the first group of `name` is the number of the frame.

    Raises:
        BadName: a picture is named otherwise; `rule` says in words how names are made.
        MissingData: the folder cannot be read, or holds no picture.
    """

    def parse(path: Path) -> Picture | None:
        match = name.fullmatch(path.name)
        return Picture(path, person, camera, track=0, frame=int(match[1])) if match else None

    frames = pictures_in(folder, parse, rule)
    if not frames:
        raise MissingData(f"{folder} holds no frames: unpack the data set again")
    return frames


def folders_in(folder: Path) -> list[Path]:
    """The sub-folders, by name; files and hidden folders are passed over.

    Raises:
        MissingData: the folder is not there or cannot be read.
    """
    try:
        return sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
    except OSError as error:
        raise MissingData(f"{folder} cannot be read: {error.strerror}") from error


def check_listed(place: Path, paths: Iterable[Path]) -> None:
    """Refuse a folder that lacks pictures which its lists name; every folder is read once.

    Raises:
        PartialData: names the place, how many are there, and the first that is not.
        MissingData: one of the pictures is empty.
    """
    wanted: dict[Path, set[str]] = {}
    for path in paths:
        wanted.setdefault(path.parent, set()).add(path.name)
    missing = [
        folder / name
        for folder, names in wanted.items()
        for name in names - (_picture_names(folder) if folder.is_dir() else set())
    ]
    if missing:
        listed = sum(map(len, wanted.values()))
        raise PartialData(
            f"{place} holds {listed - len(missing):,} of the {listed:,} pictures its list names, {min(missing)} is not"
            " there: unpack the data set again"
        )


def check_counts(place: Path, pictures: Iterable[Picture], wanted: Counts) -> None:
    """Refuse a part of a data set that is not what its authors published.

    Raises:
        PartialData: another number of pictures or persons; names the place, both numbers and the cure.
    """
    people = [picture.person for picture in pictures]
    check_count(place, "pictures", len(people), wanted.pictures)
    check_count(place, "persons", len({person for person in people if person > 0}), wanted.persons)


def check_lengths(tracks: Iterable[Sequence[Picture]], shortest: int, longest: int) -> None:
    """Refuse a track, in one folder, that is shorter or longer than all that were published.

    Raises:
        PartialData: names the folder, its frames, the range and the cure.
    """
    for track in tracks:
        if not shortest <= len(track) <= longest:
            cure = "unpack the data set again" if len(track) < shortest else "take out what does not belong to it"
            raise PartialData(
                f"{track[0].path.parent} holds {len(track):,} frames where {shortest:,} to {longest:,} were published: "
                f"{cure}"
            )


def check_count(place: Path, of_what: str, found: int, wanted: int) -> None:
    """Refuse a number that is not the published one.

    Raises:
        PartialData: names the place, both numbers and the cure.
    """
    if found < wanted:
        raise PartialData(f"{place} holds {found:,} of {wanted:,} {of_what}: unpack the data set again")
    if found > wanted:
        raise PartialData(
            f"{place} holds {found:,} {of_what} where {wanted:,} were published: take out what does not belong to it"
        )
