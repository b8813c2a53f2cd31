"""The pictures and clips among the paths a person names."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from service.commands.failures import UserError

if TYPE_CHECKING:
    from service.client.answers import Kind

# What people take for pictures and clips: one of these that is not recognised is damaged, or of a type to be converted.
MEDIA_EXTENSIONS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".heif", ".avif"} | {
    ".mp4",
    ".m4v",
    ".mov",
    ".3gp",
    ".mkv",
    ".webm",
    ".avi",
    ".wmv",
    ".flv",
    ".ts",
    ".mts",
    ".m2ts",
    ".mpg",
    ".mpeg",
}


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A file and what its content says it is."""

    path: Path
    kind: "Kind"


@dataclass(frozen=True, slots=True)
class Found:
    """The pictures and clips, and the files of the folders that are neither."""

    files: list[MediaFile] = field(default_factory=list)
    left_out: list[Path] = field(default_factory=list)

    @property
    def damaged(self) -> list[Path]:
        """Those left out whose names say that they are pictures or clips."""
        return [path for path in self.left_out if path.suffix.lower() in MEDIA_EXTENSIONS]

    @property
    def exit_code(self) -> int:
        """1 where something damaged was left out, so that a script notices."""
        return 1 if self.damaged else 0

    def tell(self) -> None:
        """Say what was left out, in one line on standard error; nothing when nothing was."""
        if self.left_out:
            n_files, first = len(self.left_out), (self.damaged or self.left_out)[0]
            left_out = f"{n_files} file{'s' * (n_files != 1)} left out: neither picture nor clip (first: {first})"
            typer.echo(f"vills: {left_out}", err=True)


def find_media(paths: Iterable[Path]) -> Found:
    """Every file named, and every file in the folders named, in order of their paths.

    Raises:
        UserError: a path is not there, a file named is neither picture nor clip, or a folder holds none.
    """
    found = Found()
    for path in paths:
        if path.is_dir():
            _search(path, found)
        else:
            found.files.append(_named(path))
    return found


def _search(folder: Path, found: Found) -> None:
    before = len(found.files)
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        file = _recognised(path)
        if file is None:
            found.left_out.append(path)
        else:
            found.files.append(file)
    if len(found.files) == before:
        raise UserError(f"the folder {folder} holds no picture and no clip: name another")


def _named(path: Path) -> MediaFile:
    if not path.is_file():
        raise UserError(f"there is no file or folder {path}: name one that is there")
    file = _recognised(path)
    if file is None:
        raise UserError(
            f"{path} is neither a picture nor a clip: send JPEG, PNG, WebP, BMP, MP4, MOV, MKV, WebM or AVI"
        )
    return file


def _recognised(path: Path) -> MediaFile | None:
    from service.decode.errors import MediaError
    from service.decode.sniff import HEAD_BYTES, sniff

    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    try:
        return MediaFile(path, sniff(head).kind)
    except MediaError:
        return None
