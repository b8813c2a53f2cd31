"""The folder of a space: which snapshots stay in it, and who writes into it at once."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from index.vectors.gallery import Gallery
from index.vectors.snapshots import load, load_snapshot, prune, remove_all
from tests.vectors.records import DIMENSION, SPACE, Records, filled
from tests.vectors.test_applying import assert_same


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
