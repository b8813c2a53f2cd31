"""The files of a snapshot: plain arrays, one a column, and a manifest that says what must be in them."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from index.errors import SnapshotDamaged

FORMAT = 1
METRIC = "inner_product"
MANIFEST = "manifest.json"
VOCABULARY = "vocabulary.json"
VECTORS = "vectors.npy"  # float16 (N, D)
COLUMNS = {  # file -> dtype, each (N,)
    "seq.npy": "<i8",
    "kind.npy": "|i1",
    "item.npy": "<u8",
    "camera.npy": "<i4",
    "start_ms.npy": "<i8",
    "end_ms.npy": "<i8",
    "tags.npy": "<i4",
    "track_id_ends.npy": "<i8",  # where each id ends among the bytes
}
TRACK_IDS = "track_ids.npy"  # all ids, UTF-8, one after the other
FILES = (VECTORS, *COLUMNS, TRACK_IDS, VOCABULARY)
_NAME = re.compile(r"\d{20}")


@dataclass(frozen=True, slots=True)
class FileSum:
    """What a file's bytes must be."""

    size: int  # bytes
    digest: str  # BLAKE2b, 32 bytes, hex


@dataclass(frozen=True, slots=True)
class Manifest:
    """Written last; a folder without it is no snapshot."""

    format: int
    space_id: str
    dimension: int
    metric: str
    version: int  # log position
    count: int  # tracks
    checksum: str  # hex
    files: dict[str, FileSum]

    def to_json(self) -> str:
        members = asdict(self)
        return json.dumps({**members, "digest": _digest(members)}, indent=1, sort_keys=True)

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """The manifest of a snapshot.

        Raises:
            SnapshotDamaged: it is missing, unreadable, changed, or of another format or log position.
        """
        try:
            members: dict[str, Any] = json.loads((folder / MANIFEST).read_text("utf-8"))
            if members.pop("digest") != _digest(members):
                raise SnapshotDamaged(f"{folder}: the manifest is not as it was written")
            if members["format"] != FORMAT:
                raise SnapshotDamaged(f"{folder} has format {members['format']}, this program reads {FORMAT}")
            files = {name: FileSum(**each) for name, each in members.pop("files").items()}
            manifest = cls(**members, files=files)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise SnapshotDamaged(f"{folder}: the manifest cannot be read: {error!r}") from error
        if folder.name != snapshot_name(manifest.version) or set(files) != set(FILES):
            raise SnapshotDamaged(f"{folder}: the manifest is of version {manifest.version} with files {sorted(files)}")
        return manifest

    def check_sizes(self, folder: Path) -> None:
        """Compare the files' sizes, which is quick.

        Raises:
            SnapshotDamaged: a file is missing or of another size.
        """
        for name, expected in self.files.items():
            try:
                size = (folder / name).stat().st_size
            except OSError as error:
                raise SnapshotDamaged(f"{folder}: {name} is missing") from error
            if size != expected.size:
                raise SnapshotDamaged(f"{folder}: {name} has {size} bytes instead of {expected.size}")

    def check_digests(self, folder: Path) -> None:
        """Compare the files' bytes, which takes about a second a gigabyte.

        Raises:
            SnapshotDamaged: a file is not as it was written.
        """
        for name, expected in self.files.items():
            try:
                with (folder / name).open("rb") as file:
                    digest = hashlib.file_digest(file, new_digest).hexdigest()
            except OSError as error:
                raise SnapshotDamaged(f"{folder}: {name} cannot be read: {error!r}") from error
            if digest != expected.digest:
                raise SnapshotDamaged(f"{folder}: the bytes of {name} are not those that were written")


def new_digest() -> "hashlib.blake2b":
    """The hash that files are compared by."""
    return hashlib.blake2b(digest_size=32)


def space_folder(root: Path, space_id: str) -> Path:
    """The folder of a space's snapshots.

    Raises:
        ValueError: the id cannot be the name of a folder.
    """
    if space_id in ("", ".", "..") or "/" in space_id or "\0" in space_id:
        raise ValueError(f"the space id {space_id!r} cannot name a folder: it must be one part of a path")
    return root / space_id


def snapshot_name(version: int) -> str:
    """Name of the folder of a snapshot; the order of names is that of versions."""
    return f"{version:020d}"


def snapshot_folders(folder: Path) -> list[Path]:
    """Snapshots in a space's folder, whole or not, the newest first."""
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if _NAME.fullmatch(path.name)), reverse=True)


def _digest(members: dict[str, Any]) -> str:
    text = json.dumps(members, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
