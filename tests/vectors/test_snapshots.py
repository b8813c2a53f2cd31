"""Snapshots are whole or not there."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from index.errors import SnapshotDamaged
from index.vectors import snapshots
from index.vectors.gallery import Gallery
from index.vectors.snapshot_format import FILES, MANIFEST, Manifest
from index.vectors.snapshots import load, load_snapshot, prune
from tests.vectors.records import DIMENSION, SPACE, Records
from tests.vectors.test_applying import assert_same


def test_a_snapshot_comes_back_as_it_was(gallery: Gallery, records: Records, tmp_path: Path) -> None:
    folder = gallery.snapshot(tmp_path, SPACE)
    assert folder == tmp_path / SPACE / f"{records.head:020d}"
    assert {path.name for path in folder.iterdir()} == {*FILES, MANIFEST}
    loaded = load(tmp_path, SPACE, DIMENSION)
    assert loaded is not None
    assert_same(loaded, records)
    records.remove("track-1")
    records.update("track-2", camera_id="camera-new", span=None, tags={"site": "new"})
    loaded.apply(records.log)
    assert_same(loaded, records)


def test_a_large_snapshot_comes_back_in_several_segments(
    gallery: Gallery, records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "MERGED_ROWS", 16)
    gallery.snapshot(tmp_path, SPACE)
    loaded = load(tmp_path, SPACE, DIMENSION)
    assert loaded is not None
    assert_same(loaded, records)


def test_an_empty_gallery_has_a_snapshot_too(tmp_path: Path) -> None:
    Gallery(DIMENSION).snapshot(tmp_path, SPACE)
    loaded = load(tmp_path, SPACE, DIMENSION)
    assert loaded is not None
    assert (loaded.version, loaded.count, loaded.checksum) == (0, 0, 0)


def test_nothing_there_loads_as_none(tmp_path: Path) -> None:
    assert load(tmp_path, SPACE, DIMENSION) is None
    assert prune(tmp_path, SPACE) is None


def test_the_words_of_erased_tracks_are_not_written(tmp_path: Path) -> None:
    records = Records()
    records.add("secret-track", [1, 0, 0, 0], camera_id="secret-camera", tags={"secret": "tag"})
    records.add("other", [0, 1, 0, 0], camera_id="camera", tags={"a": "b"})
    records.remove("secret-track")
    gallery = Gallery(DIMENSION)
    gallery.apply(records.log)
    folder = gallery.snapshot(tmp_path, SPACE)
    assert all(b"secret" not in path.read_bytes() for path in folder.iterdir())
    loaded = load(tmp_path, SPACE, DIMENSION)
    assert loaded is not None
    assert_same(loaded, records)


def test_ids_of_any_letters(tmp_path: Path) -> None:
    records = Records()
    for track_id in ("Zoë", "鈴木", "a\0b", "trailing\0", "", "line\nline"):
        records.add(track_id, [1, 0, 0, 0], camera_id=f"камера {track_id}", tags={"né": track_id})
    gallery = Gallery(DIMENSION)
    gallery.apply(records.log)
    gallery.snapshot(tmp_path, SPACE)
    loaded = load(tmp_path, SPACE, DIMENSION)
    assert loaded is not None
    assert_same(loaded, records)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def flip_last_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def flip_middle_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [truncate, empty, flip_last_byte, flip_middle_bit, Path.unlink])
@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_a_damaged_snapshot_is_passed_over(
    gallery: Gallery,
    records: Records,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    name: str,
    damage: Callable[[Path], None],
) -> None:
    older_version = gallery.version
    gallery.snapshot(tmp_path, SPACE)
    records.remove("track-1")
    gallery.apply(records.log)
    damage(gallery.snapshot(tmp_path, SPACE) / name)
    loaded = load(tmp_path, SPACE, DIMENSION)
    assert loaded is not None
    assert loaded.version == older_version
    assert "passed over" in caplog.text
    loaded.apply(records.log)
    assert_same(loaded, records)


def test_a_damaged_one_in_the_same_place_is_replaced(gallery: Gallery, records: Records, tmp_path: Path) -> None:
    folder = gallery.snapshot(tmp_path, SPACE)
    gallery.snapshot(tmp_path, SPACE)  # a whole one stays
    flip_last_byte(folder / "vectors.npy")
    gallery.snapshot(tmp_path, SPACE)
    loaded = load(tmp_path, SPACE, DIMENSION)
    assert loaded is not None
    assert_same(loaded, records)
    assert list((tmp_path / SPACE).iterdir()) == [folder]


def test_every_member_of_the_manifest_is_guarded(gallery: Gallery, tmp_path: Path) -> None:
    folder = gallery.snapshot(tmp_path, SPACE)
    whole = json.loads((folder / MANIFEST).read_text())
    for member in whole:
        for changed in ({**whole, member: 7}, {key: value for key, value in whole.items() if key != member}):
            (folder / MANIFEST).write_text(json.dumps(changed))
            with pytest.raises(SnapshotDamaged):
                load_snapshot(folder, SPACE, DIMENSION)
    for text in ("", "[]", "null", '{"digest": 3}'):
        (folder / MANIFEST).write_text(text)
        with pytest.raises(SnapshotDamaged):
            load_snapshot(folder, SPACE, DIMENSION)


def test_vectors_that_do_not_give_the_checksum_are_refused(gallery: Gallery, tmp_path: Path) -> None:
    """A manifest that is right about its files, and wrong about what they hold."""
    folder = gallery.snapshot(tmp_path, SPACE)
    whole = Manifest.read(folder)
    wrong = Manifest(**{**{name: getattr(whole, name) for name in Manifest.__slots__}, "checksum": "0" * 16})
    (folder / MANIFEST).write_text(wrong.to_json())
    with pytest.raises(SnapshotDamaged, match="sum"):
        load_snapshot(folder, SPACE, DIMENSION)


def test_another_space_or_dimension_is_passed_over(
    gallery: Gallery, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = gallery.snapshot(tmp_path, SPACE)
    assert load(tmp_path, SPACE, DIMENSION + 1) is None
    assert "the encoder's space is" in caplog.text
    shutil.copytree(folder, tmp_path / "other-space" / folder.name)
    assert load(tmp_path, "other-space", DIMENSION) is None
    shutil.copytree(folder, folder.with_name(f"{gallery.version + 1:020d}"))
    with pytest.raises(SnapshotDamaged, match="version"):
        load_snapshot(folder.with_name(f"{gallery.version + 1:020d}"), SPACE, DIMENSION)


@pytest.mark.parametrize("space_id", ["", ".", "..", "a/b", "../a", "a\0"])
def test_a_space_id_that_leaves_the_folder_is_refused(tmp_path: Path, gallery: Gallery, space_id: str) -> None:
    with pytest.raises(ValueError, match="one part of a path"):
        gallery.snapshot(tmp_path, space_id)


def test_snapshots_hold_no_pickles(gallery: Gallery, tmp_path: Path) -> None:
    for path in gallery.snapshot(tmp_path, SPACE).glob("*.npy"):
        assert np.load(path, allow_pickle=False).dtype != object
