"""Loading the newest whole snapshot, and removing the old ones."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np

from index.entries import track_digest
from index.errors import SnapshotDamaged
from index.vectors.columns import KINDS, Array, Columns
from index.vectors.compaction import MERGED_ROWS
from index.vectors.gallery import Gallery
from index.vectors.segment import Segment
from index.vectors.snapshot_format import (
    COLUMNS,
    METRIC,
    TRACK_IDS,
    VECTORS,
    VOCABULARY,
    Manifest,
    snapshot_folders,
    space_folder,
)
from index.vectors.snapshot_writer import remove_abandoned, remove_snapshot
from index.vectors.vocabulary import Vocabulary

logger = logging.getLogger(__name__)


def load(root: Path, space_id: str, dimension: int) -> Gallery | None:
    """The gallery of the newest whole snapshot; None when there is none. Damaged ones are logged and passed over.

    Also removes what processes that died left unfinished: it may hold what is erased.
    """
    space = space_folder(root, space_id)
    remove_abandoned(space)
    for folder in snapshot_folders(space):
        try:
            return load_snapshot(folder, space_id, dimension)
        except SnapshotDamaged as error:
            logger.warning("a snapshot of the index is passed over: %s", error)
    return None


def load_snapshot(folder: Path, space_id: str, dimension: int) -> Gallery:
    """The gallery of one snapshot, after comparing every byte, and the tracks' checksum, with its manifest.

    Raises:
        SnapshotDamaged: it is not whole, or of another space or dimension.
    """
    manifest = Manifest.read(folder)
    found = (manifest.space_id, manifest.dimension, manifest.metric)
    if found != (space_id, dimension, METRIC):
        raise SnapshotDamaged(f"{folder} is of {found}, the encoder's space is {(space_id, dimension, METRIC)}")
    manifest.check_sizes(folder)
    manifest.check_digests(folder)
    try:
        return _gallery(folder, manifest)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise SnapshotDamaged(f"{folder} cannot be read: {error!r}") from error


def prune(root: Path, space_id: str, keep: int = 2) -> int | None:
    """Remove all snapshots but the newest `keep` that look whole; the version of the oldest left, None without any.

    Looks at manifests and sizes only. Also removes what processes that died left unfinished.

    Raises:
        ValueError: `keep` is less than 1.
    """
    if keep < 1:
        raise ValueError(f"at least one snapshot must be kept, not {keep}")
    space = space_folder(root, space_id)
    kept: list[int] = []
    for folder in snapshot_folders(space):
        try:
            manifest = Manifest.read(folder)
            manifest.check_sizes(folder)
        except SnapshotDamaged as error:
            logger.warning("a snapshot of the index is removed: %s", error)
            remove_snapshot(folder)
            continue
        if len(kept) < keep:
            kept.append(manifest.version)
        else:
            remove_snapshot(folder)
    remove_abandoned(space)
    return min(kept, default=None)


def remove_all(root: Path, space_id: str) -> None:
    """Remove every snapshot of a space, and what processes that died left unfinished."""
    space = space_folder(root, space_id)
    for folder in snapshot_folders(space):
        remove_snapshot(folder)
    remove_abandoned(space)


def _gallery(folder: Path, manifest: Manifest) -> Gallery:
    columns = {name: _array(folder / name, dtype, (manifest.count,)) for name, dtype in COLUMNS.items()}
    ends = columns["track_id_ends.npy"].tolist()
    id_bytes = _array(folder / TRACK_IDS, "|u1", (ends[-1] if ends else 0,)).tobytes()
    track_ids = [id_bytes[start:end].decode() for start, end in zip([0, *ends], ends, strict=False)]
    halves = _array(folder / VECTORS, "<f2", (manifest.count, manifest.dimension))
    vocabulary = _vocabulary(json.loads((folder / VOCABULARY).read_text("utf-8")))
    order = np.argsort(columns["seq.npy"])
    segments = [
        _segment(order[start : start + MERGED_ROWS], halves, columns, track_ids)
        for start in range(0, manifest.count, MERGED_ROWS)
    ]
    checksum = sum(_checksum(segment) for segment in segments) % 2**64
    gallery = Gallery.restored(segments, vocabulary, manifest.version, checksum, manifest.dimension)
    if (gallery.count, f"{gallery.checksum:016x}") != (manifest.count, manifest.checksum):
        raise SnapshotDamaged(
            f"{folder} holds {gallery.count} tracks, sum {gallery.checksum:016x}, its manifest says "
            f"{manifest.count}, sum {manifest.checksum}"
        )
    return gallery


def _array(path: Path, dtype: str, shape: tuple[int, ...]) -> Array:
    # Mapped, so that vectors are not in memory twice while they are copied into segments.
    mapped = np.load(path, mmap_mode="r" if np.prod(shape) else None, allow_pickle=False)
    if mapped.dtype.str != dtype or mapped.shape != shape:
        raise ValueError(f"{path.name} holds {mapped.dtype.str} {mapped.shape} instead of {dtype} {shape}")
    array: Array = mapped
    return array


def _vocabulary(words: dict[str, Any]) -> Vocabulary:
    """The words in the order of their numbers in the columns."""
    vocabulary = Vocabulary()
    for camera_id in words["cameras"]:
        vocabulary.camera(camera_id)
    for pairs in words["tag_sets"]:
        vocabulary.tag_set(frozenset((key, value) for key, value in pairs))
    return vocabulary


def _segment(rows: Array, halves: Array, columns: dict[str, Array], track_ids: list[str]) -> Segment:
    if not np.isin(columns["kind.npy"][rows], range(len(KINDS))).all():
        raise ValueError("a kind is out of range")
    return Segment.sealed(
        halves[rows],
        columns["seq.npy"][rows],
        columns["kind.npy"][rows],
        columns["item.npy"][rows],
        [track_ids[row] for row in rows.tolist()],
        Columns(
            alive=np.ones(len(rows), np.bool_),
            camera=columns["camera.npy"][rows],
            start_ms=columns["start_ms.npy"][rows],
            end_ms=columns["end_ms.npy"][rows],
            tags=columns["tags.npy"][rows],
        ),
    )


def _checksum(segment: Segment) -> int:
    halves = segment.rows.vectors.halves
    pairs = zip(segment.rows.track_ids, halves, strict=True)
    return sum(track_digest(track_id, half.tobytes()) for track_id, half in pairs)
