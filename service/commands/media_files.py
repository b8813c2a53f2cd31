"""The pictures and clips among the paths a person names."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from service.commands.failures import UserError

if TYPE_CHECKING:
    from service.client.answers import Kind


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A file and what its content says it is."""

    path: Path
    kind: "Kind"


def media_files(paths: Iterable[Path]) -> list[MediaFile]:
    """Every file named, and every picture and clip in the folders named, in order of their paths.

    Raises:
        UserError: a path is not there, a file named is neither picture nor clip, or a folder holds none.
    """
    return [file for path in paths for file in _of(path)]


def _of(path: Path) -> list[MediaFile]:
    if path.is_dir():
        found = [file for each in sorted(path.rglob("*")) if each.is_file() and (file := _recognised(each))]
        if not found:
            raise UserError(f"the folder {path} holds no picture and no clip: name another")
        return found
    if not path.is_file():
        raise UserError(f"there is no file or folder {path}: name one that is there")
    file = _recognised(path)
    if file is None:
        raise UserError(
            f"{path} is neither a picture nor a clip: send JPEG, PNG, WebP, BMP, MP4, MOV, MKV, WebM or AVI"
        )
    return [file]


def _recognised(path: Path) -> MediaFile | None:
    from service.decode.errors import MediaError
    from service.decode.sniff import HEAD_BYTES, sniff

    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    try:
        return MediaFile(path, sniff(head).kind)
    except MediaError:
        return None
