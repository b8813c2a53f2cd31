"""The media store: one behaviour on a folder and on another fsspec file system."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.media import CHUNK_BYTES, MediaStore


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> MediaStore:
    if request.param == "folder":
        return MediaStore(str(tmp_path / "media"))
    return MediaStore(f"memory://media-{uuid4().hex}", scratch_dir=tmp_path / "scratch")


def upload(store: MediaStore, content: bytes) -> Path:
    path = store.scratch_dir / uuid4().hex
    path.write_bytes(content)
    return path


def test_a_file_put_is_there_and_gone_from_where_it_was(store: MediaStore) -> None:
    local = upload(store, b"first")
    store.put_file(local, "space/item/original")

    assert not local.exists()
    assert store.exists("space/item/original") and store.size("space/item/original") == 5
    assert store.read("space/item/original") == b"first"
    store.put_file(upload(store, b"second"), "space/item/original")
    assert store.read("space/item/original") == b"second"
    assert list(store.scratch_dir.iterdir()) == []


@pytest.mark.parametrize("durable", [False, True])
def test_written_bytes_are_read_back(store: MediaStore, durable: bool) -> None:
    for content in (b"one", b"", b"another"):
        store.write("space/queries/a.npy", content, durable=durable)
        assert store.read("space/queries/a.npy") == content
    assert list(store.scratch_dir.iterdir()) == []


def test_ranges(store: MediaStore) -> None:
    content = os.urandom(3 * CHUNK_BYTES + 17)
    store.write("a/b", content)
    for start, length in [(0, 10), (5, 0), (CHUNK_BYTES - 1, 2), (0, len(content)), (len(content) - 3, 99), (10**9, 5)]:
        chunks = list(store.open_range("a/b", start, length))
        assert b"".join(chunks) == content[start : start + length]
        assert all(0 < len(chunk) <= CHUNK_BYTES for chunk in chunks)


def test_a_range_left_early_closes_its_file(store: MediaStore) -> None:
    store.write("a/b", bytes(2 * CHUNK_BYTES))
    chunks = store.open_range("a/b", 0, 2 * CHUNK_BYTES)
    next(chunks)
    del chunks  # an open file would be a ResourceWarning, and so an error
    unread = store.open_range("a/b", 0, 5)
    del unread


def test_what_is_not_there(store: MediaStore) -> None:
    reads: list[Callable[[str], object]] = [store.read, store.size, lambda key: store.local_path(key).__enter__()]
    reads.append(lambda key: store.open_range(key, 0, 1))
    for read in reads:
        with pytest.raises(FileNotFoundError):
            read("no/such/file")
    assert not store.exists("no/such/file")
    assert not store.delete("no/such/file")
    assert store.delete_tree("no/such") == 0
    assert store.sweep("no/such", 0) == 0


def test_the_room_that_is_left_is_that_of_the_scratch_folder(
    store: MediaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Mock(free=7) if path == store.scratch_dir else None)
    assert store.free_bytes() == 7


def test_deleting(store: MediaStore) -> None:
    for key in ("space/a/original", "space/a/0000.jpg", "space/a/deep/er", "space/ab/original", "space/b"):
        store.write(key, b"x")

    assert store.delete("space/b") and not store.exists("space/b")
    assert store.delete_tree("space/a") == 3
    assert not store.exists("space/a/original") and not store.exists("space/a/deep/er")
    assert store.exists("space/ab/original")


def test_folders_and_when_something_was_last_written_into_them(store: MediaStore) -> None:
    # What no record names can be found only by listing.
    before = time.time() - 5
    for key in ("space/a/original", "space/a/0000.jpg", "space/b/deep/er", "space/file", "other/c/original"):
        store.write(key, b"x")
    assert sorted(store.folders("space")) == ["a", "b"]
    assert store.folders("no-such-space") == []
    for prefix in ("space/a", "space/b"):
        written_s = store.written_s(prefix)
        assert written_s is not None and before < written_s < time.time() + 5
    assert store.written_s("space/no-such-item") is None


def test_a_local_path_holds_the_content(store: MediaStore) -> None:
    store.write("a/b", b"content")
    with store.local_path("a/b") as path:
        assert path.read_bytes() == b"content"
        assert path.is_relative_to(store.scratch_dir) is not store.is_local
    assert store.read("a/b") == b"content"
    assert list(store.scratch_dir.iterdir()) == []


def test_sweeping_spares_what_is_young_and_elsewhere(store: MediaStore) -> None:
    for key in ("space/queries/a", "space/queries/b/c", "space/item/original"):
        store.write(key, b"x")

    assert store.sweep("space/queries", 3600) == 0
    assert store.sweep("space/queries", -3600) == 2
    assert store.exists("space/item/original")


BAD_KEYS = [
    "",
    "/",
    "/etc/passwd",
    "..",
    "a/../b",
    "a//b",
    "a/",
    "./a",
    ".scratch/x",
    "a/.hidden",
    "a\\b",
    "a\0b",
    "a\n",
]
BAD_KEYS += ["é", "a b", "~", "x" * 300, "s3://b/k"]


@pytest.mark.parametrize("key", BAD_KEYS)
def test_keys_that_lead_elsewhere_are_refused(store: MediaStore, key: str) -> None:
    local = upload(store, b"x")
    calls: list[Callable[[], object]] = [
        lambda: store.put_file(local, key),
        lambda: store.write(key, b""),
        lambda: store.read(key),
        lambda: store.open_range(key, 0, 1),
        lambda: store.size(key),
        lambda: store.exists(key),
        lambda: store.local_path(key).__enter__(),
        lambda: store.delete(key),
        lambda: store.delete_tree(key),
        lambda: store.sweep(key, 0),
        lambda: store.folders(key),
        lambda: store.written_s(key),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="no media key"):
            call()
    assert local.exists()


@given(key=st.text(alphabet="ab./-_0", min_size=1, max_size=20))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_key_leaves_the_folder(tmp_path: Path, key: str) -> None:
    store = MediaStore(str(tmp_path / "in" / "media"))
    try:
        store.write(key, b"x")
    except ValueError:
        return
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["media"]
    assert store.read(key) == b"x"
    shutil.rmtree(tmp_path / "in")


def test_a_scratch_folder_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4242)
    with pytest.raises(PermissionError, match="belongs to user"):
        MediaStore("memory://media", scratch_dir=tmp_path)


def test_a_store_that_is_no_folder_needs_a_scratch_folder() -> None:
    # Bug: uploads grew in the temporary folder, which is memory on many machines.
    with pytest.raises(ValueError, match="scratch folder"):
        MediaStore("memory://media")
