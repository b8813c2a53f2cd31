"""The media store in a folder: what other processes, full disks and power cuts do to it."""

import errno
import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from service.media import MediaStore
from tests.test_media import upload


def test_deleting_outlasts_a_last_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A thumbnail written between the listing and the removal of its folder made the deletion fail: "not empty".
    store = MediaStore(str(tmp_path))
    store.write("space/item/original", b"x")
    late, rmdir = ["space/item/0000.jpg", "space/item/0001.jpg"], os.rmdir

    def rmdir_too_late(path: str, *, dir_fd: int | None = None) -> None:
        if late:
            store.write(late.pop(), b"x")
        rmdir(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "rmdir", rmdir_too_late)
    store.delete_tree("space/item")
    assert not late
    assert store.folders("space") == []


def test_a_folder_that_never_gets_empty_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MediaStore(str(tmp_path))
    store.write("space/item/original", b"x")

    def never_empty(path: str, *, dir_fd: int | None = None) -> None:
        raise OSError(errno.ENOTEMPTY, "Directory not empty")

    monkeypatch.setattr(os, "rmdir", never_empty)
    with pytest.raises(OSError, match="not empty"):
        store.delete_tree("space/item")


def test_the_newest_file_counts(tmp_path: Path) -> None:
    store = MediaStore(str(tmp_path))
    for name, written_s in (("original", 1000), ("0000.jpg", 2000)):
        store.write(f"space/item/{name}", b"x")
        os.utime(tmp_path / "space/item" / name, (written_s, written_s))
    os.utime(tmp_path / "space/item", (3000, 3000))
    assert store.written_s("space/item") == 2000
    (tmp_path / "space/empty").mkdir()
    os.utime(tmp_path / "space/empty", (4000, 4000))
    assert store.written_s("space/empty") == 4000


def test_sweeping_goes_by_the_age_of_each_file(tmp_path: Path) -> None:
    store = MediaStore(str(tmp_path))
    for key in ("queries/old", "queries/new"):
        store.write(key, b"x")
    hour_ago = time.time() - 3600
    os.utime(tmp_path / "queries/old", (hour_ago, hour_ago))
    stale = upload(store, b"from a killed process")
    os.utime(stale, (hour_ago, hour_ago))
    upload(store, b"in progress")

    assert store.sweep("queries", 60) == 1
    assert store.exists("queries/new") and not store.exists("queries/old")
    assert store.sweep_scratch(60) == 1
    assert not stale.exists() and len(list(store.scratch_dir.iterdir())) == 1


def test_putting_syncs_the_file_then_every_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a power cut could take is on disk before the call returns: content, name, and the folders above the name."""
    store = MediaStore(str(tmp_path / "media"))
    local = upload(store, b"x")
    calls: list[str] = []
    replace, fsync = Path.replace, os.fsync

    def recording_replace(self: Path, target: Path) -> Path:
        calls.append(f"rename to {target.relative_to(tmp_path)}")
        return replace(self, target)

    def recording_fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink().relative_to(tmp_path)
        calls.append(f"sync {'file' if stat.S_ISREG(os.fstat(descriptor).st_mode) else path}")
        fsync(descriptor)

    monkeypatch.setattr(Path, "replace", recording_replace)
    monkeypatch.setattr(os, "fsync", recording_fsync)
    store.put_file(local, "space/item/original")

    assert calls[:2] == ["sync file", "rename to media/space/item/original"]
    assert calls[2:] == ["sync media/space/item", "sync media/space", "sync media"]
    calls.clear()
    store.delete_tree("space/item")
    assert calls == ["sync media/space"]


def test_uploads_from_another_file_system_are_moved(tmp_path: Path) -> None:
    elsewhere = Path("/dev/shm") / uuid4().hex
    elsewhere.write_bytes(b"x")
    store = MediaStore(str(tmp_path))
    store.put_file(elsewhere, "a/b")
    assert not elsewhere.exists() and store.read("a/b") == b"x"


def test_writers_at_once_never_show_half_a_file(tmp_path: Path) -> None:
    store = MediaStore(str(tmp_path))
    contents = [bytes([number]) * 200_000 for number in range(4)]

    def write_and_read(number: int) -> bool:
        store.write(f"shared/{number % 2}", contents[number % 4])
        return store.read(f"shared/{number % 2}") in contents

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(write_and_read, range(100)))


def test_a_store_is_found_again(tmp_path: Path) -> None:
    MediaStore(str(tmp_path / "media")).write("a/b", b"x")
    again = MediaStore(f"file://{tmp_path / 'media'}")
    assert again.is_local and again.read("a/b") == b"x"
    assert stat.S_IMODE(again.scratch_dir.stat().st_mode) == 0o700


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    store = MediaStore(str(tmp_path))
    store.write("a", b"x")
    for durable in (False, True):
        with pytest.raises(OSError, match=r"Not a directory|File exists"):
            store.write("a/b", b"x", durable=durable)
    assert list(store.scratch_dir.iterdir()) == []
