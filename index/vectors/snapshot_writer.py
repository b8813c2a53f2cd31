"""Writing a snapshot: beside its place first, then moved there when every byte is on disk."""

import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from index.errors import SnapshotDamaged
from index.vectors.columns import Array
from index.vectors.segment import Ids, Segment
from index.vectors.snapshot_format import (
    COLUMNS,
    FORMAT,
    MANIFEST,
    METRIC,
    TRACK_IDS,
    VECTORS,
    VOCABULARY,
    FileSum,
    Manifest,
    new_digest,
    snapshot_name,
    space_folder,
)
from index.vectors.state import State
from index.vectors.vocabulary import NO_CAMERA, Vocabulary

UNFINISHED = ".unfinished-"  # begins the name of a folder that is being written, or being removed
ABANDONED_S = 6 * 3600.0  # without locks, an unfinished folder of that age belongs to a process that died


def write_snapshot(state: State, vocabulary: Vocabulary, root: Path, space_id: str, dimension: int) -> Path:
    """Write the live tracks of `state`; the folder they are in. See `Gallery.snapshot`."""
    space = space_folder(root, space_id)
    space.mkdir(parents=True, exist_ok=True)
    beside = space / f"{UNFINISHED}{secrets.token_hex(8)}"
    beside.mkdir()
    try:
        with _locked(beside):
            manifest = Manifest(
                format=FORMAT,
                space_id=space_id,
                dimension=dimension,
                metric=METRIC,
                version=state.version,
                count=state.count,
                checksum=f"{state.checksum:016x}",
                files=_write_files(beside, state, vocabulary, dimension),
            )
            with _synced(beside / MANIFEST) as write:
                write(manifest.to_json().encode())
            _sync_folder(beside)
            _move(beside, space / snapshot_name(state.version))
            _sync_folder(space)
            _sync_folder(root)  # names the space's folder, which may be new
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return space / snapshot_name(state.version)


def remove_snapshot(folder: Path) -> None:
    """Remove a snapshot, so that nobody finds half of it; none there is fine."""
    beside = folder.parent / f"{UNFINISHED}{secrets.token_hex(8)}"
    try:
        folder.rename(beside)
    except FileNotFoundError:
        return
    shutil.rmtree(beside, ignore_errors=True)


def remove_abandoned(space: Path) -> None:
    """Remove what processes that died left unfinished in a space's folder.

    A writer locks its folder before it writes into it, and a lock ends with its process, whatever became of its pid: a
    folder that holds anything and is not locked has no owner.
    """
    for folder in space.glob(f"{UNFINISHED}*"):
        with suppress(OSError):  # finished, or removed, meanwhile
            if _is_abandoned(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    if time.time() - folder.stat().st_mtime > ABANDONED_S:
        return True
    if not any(folder.iterdir()):
        return False  # its writer may be about to lock it
    with _opened(folder) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # held, or a file system without locks
            return False
    return True


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock, where the file system has locks on folders; elsewhere only its age shows who died."""
    with _opened(folder) as descriptor:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield


def _move(beside: Path, place: Path) -> None:
    """Give the finished folder its name. A whole snapshot of that name, by another process, is as good as ours."""
    while True:
        try:
            beside.rename(place)
            return
        except OSError:
            if not place.exists():
                raise
        try:
            manifest = Manifest.read(place)
            manifest.check_sizes(place)
            manifest.check_digests(place)
            return
        except SnapshotDamaged:
            remove_snapshot(place)


def _write_files(folder: Path, state: State, vocabulary: Vocabulary, dimension: int) -> dict[str, FileSum]:
    parts = [(segment, np.flatnonzero(segment.columns.alive)) for segment in state.segments]
    ids = [[segment.rows.track_ids[row].encode() for row in rows.tolist()] for segment, rows in parts]
    lengths = [len(track_id) for part in ids for track_id in part]
    words, columns = _columns(parts, vocabulary)
    columns["track_id_ends.npy"] = np.cumsum(np.array(lengths, np.int64))
    files = {
        name: _write_array(folder / name, dtype, [columns[name]], columns[name].shape)
        for name, dtype in COLUMNS.items()
    }
    id_bytes = (np.frombuffer(b"".join(part), np.uint8) for part in ids)
    files[TRACK_IDS] = _write_array(folder / TRACK_IDS, "|u1", id_bytes, (sum(lengths),))
    halves = (segment.rows.vectors.halves[rows] for segment, rows in parts)
    files[VECTORS] = _write_array(folder / VECTORS, "<f2", halves, (state.count, dimension))
    files[VOCABULARY] = _write_text(folder / VOCABULARY, json.dumps(words))
    return files


def _columns(parts: list[tuple[Segment, Ids]], vocabulary: Vocabulary) -> tuple[dict[str, Any], dict[str, Array]]:
    """The words in use, numbered anew so that those of erased tracks stay behind, and the columns in these numbers."""

    def joined(column: Callable[[Segment], Array]) -> Array:
        return np.concatenate([np.zeros(0, np.int64), *(column(segment)[rows] for segment, rows in parts)])

    item = [segment.rows.item[rows] for segment, rows in parts]
    cameras, camera = np.unique(joined(lambda segment: segment.columns.camera), return_inverse=True)
    tag_sets, tags = np.unique(joined(lambda segment: segment.columns.tags), return_inverse=True)
    no_camera = int(NO_CAMERA in cameras)  # it has the lowest number, so it comes first
    words = {
        "cameras": [vocabulary.camera_id(number) for number in cameras.tolist()[no_camera:]],
        "tag_sets": [sorted(vocabulary.tags(number)) for number in tag_sets.tolist()],
    }
    return words, {
        "seq.npy": joined(lambda segment: segment.rows.seq),
        "kind.npy": joined(lambda segment: segment.rows.kind),
        "item.npy": np.concatenate([np.zeros(0, np.uint64), *item]),
        "camera.npy": camera - no_camera,
        "start_ms.npy": joined(lambda segment: segment.columns.start_ms),
        "end_ms.npy": joined(lambda segment: segment.columns.end_ms),
        "tags.npy": tags,
    }


def _write_array(path: Path, dtype: str, parts: Iterable[Array], shape: tuple[int, ...]) -> FileSum:
    """Write `parts`, one after the other, as one .npy file."""
    with _synced(path) as write:
        header = {"descr": dtype, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(write, header)
        for part in parts:
            write(np.ascontiguousarray(part, dtype).reshape(-1).view(np.uint8).data)
    return write.sum()


def _write_text(path: Path, text: str) -> FileSum:
    with _synced(path) as write:
        write(text.encode())
    return write.sum()


class _Writer:
    """Writes to a file and keeps the sum of what it wrote."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = new_digest()
        self._size = 0

    def __call__(self, content: Any) -> None:
        self._file.write(content)
        self._digest.update(content)
        self._size += memoryview(content).nbytes

    write = __call__  # numpy writes its header to something with this method

    def sum(self) -> FileSum:
        return FileSum(self._size, self._digest.hexdigest())


@contextmanager
def _synced(path: Path) -> Iterator[_Writer]:
    """A new file, whose bytes are on disk at the end."""
    with path.open("xb") as file:
        yield _Writer(file)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Bring to disk which files a folder names."""
    with _opened(folder) as descriptor:
        os.fsync(descriptor)


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
