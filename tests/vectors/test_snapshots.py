"""Snapshots are whole or not there."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from index.errors import SnapshotDamaged
from index.vectors import snapshots
from index.vectors.gallery import Gallery
from index.vectors.snapshot_format import FILES, MANIFEST, Manifest
from index.vectors.snapshots import load, load_snapshot, prune, remove_all
from tests.vectors.records import DIMENSION, Records, filled
from tests.vectors.test_applying import assert_same

SPACE = "tiny-0123"


@pytest.fixture
def records() -> Records:
    return filled(60)


@pytest.fixture
def gallery(records: Records) -> Gallery:
    gallery = Gallery(DIMENSION, seal_rows=16)
    gallery.apply(records.log)
    return gallery


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


def test_the_newest_two_are_kept(gallery: Gallery, records: Records, tmp_path: Path) -> None:
    versions = []
    for number in (1, 2, 3, 4):
        versions.append(int(gallery.snapshot(tmp_path, SPACE).name))
        records.remove(f"track-{number}")
        gallery.apply(records.log)
    assert prune(tmp_path, SPACE) == versions[-2]
    assert sorted(int(path.name) for path in (tmp_path / SPACE).iterdir()) == versions[-2:]
    assert prune(tmp_path, SPACE, keep=1) == versions[-1]
    with pytest.raises(ValueError, match="at least one"):
        prune(tmp_path, SPACE, keep=0)


def test_pruning_counts_whole_ones_only(gallery: Gallery, records: Records, tmp_path: Path) -> None:
    folders = []
    for number in (1, 2, 3):
        folders.append(gallery.snapshot(tmp_path, SPACE))
        records.remove(f"track-{number}")
        gallery.apply(records.log)
    (folders[-1] / "vectors.npy").unlink()
    assert prune(tmp_path, SPACE) == int(folders[0].name)
    assert sorted((tmp_path / SPACE).iterdir()) == folders[:2]


def test_what_a_dead_process_left_is_removed_in_time(gallery: Gallery, tmp_path: Path) -> None:
    gallery.snapshot(tmp_path, SPACE)
    old, new = tmp_path / SPACE / ".unfinished-old", tmp_path / SPACE / ".unfinished-new"
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (0, 0))
    prune(tmp_path, SPACE)
    assert not old.exists()
    assert new.exists()  # somebody may be writing it
    assert load(tmp_path, SPACE, DIMENSION) is not None


def test_a_disk_that_fails_leaves_nothing(gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        gallery.snapshot(tmp_path, SPACE)
    assert list((tmp_path / SPACE).iterdir()) == []


def test_a_damaged_one_in_the_same_place_is_replaced(gallery: Gallery, records: Records, tmp_path: Path) -> None:
    folder = gallery.snapshot(tmp_path, SPACE)
    gallery.snapshot(tmp_path, SPACE)  # a whole one stays
    flip_last_byte(folder / "vectors.npy")
    gallery.snapshot(tmp_path, SPACE)
    loaded = load(tmp_path, SPACE, DIMENSION)
    assert loaded is not None
    assert_same(loaded, records)
    assert list((tmp_path / SPACE).iterdir()) == [folder]


UNFINISHED_WRITER = """
import os, sys, time
from pathlib import Path
from index.vectors.gallery import Gallery
from tests.vectors.records import DIMENSION, filled

def hang(descriptor):
    print("writing", flush=True)
    time.sleep(60)

os.fsync = hang
gallery = Gallery(DIMENSION)
gallery.apply(filled(60).log)
gallery.snapshot(Path(sys.argv[1]), sys.argv[2])
"""


@pytest.mark.parametrize("clear", [prune, remove_all, lambda root, space: load(root, space, DIMENSION)])
def test_what_a_killed_process_was_writing_is_removed_at_once(
    tmp_path: Path, clear: Callable[[Path, str], object]
) -> None:
    # A worker killed while it wrote a snapshot left vectors behind for six hours, those of erased items among them.
    command = [sys.executable, "-c", UNFINISHED_WRITER, str(tmp_path), SPACE]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        [unfinished] = (tmp_path / SPACE).iterdir()
        clear(tmp_path, SPACE)
        assert any(unfinished.iterdir())  # its owner lives
        writer.kill()
        writer.wait(10)
    clear(tmp_path, SPACE)
    assert list((tmp_path / SPACE).iterdir()) == []


def test_all_snapshots_can_be_removed(gallery: Gallery, records: Records, tmp_path: Path) -> None:
    # Those of before a rebuild stayed, with what was erased while their worker was away: `prune` always keeps one.
    gallery.snapshot(tmp_path, SPACE)
    records.remove("track-1")
    gallery.apply(records.log)
    gallery.snapshot(tmp_path, SPACE)
    remove_all(tmp_path, SPACE)
    assert list((tmp_path / SPACE).iterdir()) == []
    remove_all(tmp_path, "no-such-space")


WRITER = """
import sys
from pathlib import Path
from index.vectors.gallery import Gallery
from tests.vectors.records import DIMENSION, filled

gallery = Gallery(DIMENSION)
gallery.apply(filled(60).log)
sys.stdin.read(1)
for _ in range(20):
    gallery.snapshot(Path(sys.argv[1]), sys.argv[2])
"""


def test_two_processes_write_the_same_snapshot(records: Records, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path), SPACE]
    writers = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(2)]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b".")
        writer.stdin.close()
    assert [writer.wait(30) for writer in writers] == [0, 0]
    loaded = load(tmp_path, SPACE, DIMENSION)
    assert loaded is not None
    assert_same(loaded, records)
    assert [path.name for path in (tmp_path / SPACE).iterdir()] == [f"{records.head:020d}"]


def test_a_snapshot_holds_one_moment_while_the_log_is_applied(tmp_path: Path) -> None:
    records = filled(200)
    gallery = Gallery(DIMENSION, seal_rows=16)
    gallery.apply(records.log[:20])
    done = threading.Event()
    folders: list[Path] = []

    def take() -> None:
        while not done.is_set():
            folders.append(gallery.snapshot(tmp_path, SPACE))

    thread = threading.Thread(target=take)
    thread.start()
    for entry in records.log[20:]:
        gallery.apply([entry])
    done.set()
    thread.join()
    for folder in set(folders):
        loaded = load_snapshot(folder, SPACE, DIMENSION)
        entry = records.log[loaded.version - 1]
        assert (loaded.count, loaded.checksum) == (entry.count, entry.checksum)
        loaded.apply(records.log)
        assert_same(loaded, records)


def test_snapshots_hold_no_pickles(gallery: Gallery, tmp_path: Path) -> None:
    for path in gallery.snapshot(tmp_path, SPACE).glob("*.npy"):
        assert np.load(path, allow_pickle=False).dtype != object
