"""Which snapshots a worker says that it keeps."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from index.records.log import Log
from index.vectors.gallery import Gallery
from index.vectors.snapshot_format import snapshot_name
from service.worker.snapshots import Snapshots
from service.worker.view import GalleryView
from tests.vectors.records import DIMENSION, Records, filled
from tests.worker.door import Door, eventually


class SlowGallery(Gallery):
    """Writes a snapshot of the moment at which it was asked, when it is told to."""

    def __init__(self) -> None:
        super().__init__(DIMENSION)
        self.asked, self.go_on = threading.Event(), threading.Event()

    def snapshot(self, root: Path, space_id: str) -> Path:
        path = super().snapshot(root / "aside", space_id)
        self.asked.set()
        assert self.go_on.wait(10)
        (root / space_id).mkdir(exist_ok=True)
        return path.rename(root / space_id / path.name)


@asynccontextmanager
async def running(snapshots: Snapshots) -> AsyncIterator[None]:
    task = asyncio.create_task(snapshots.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def snapshots_of(gallery: Gallery, door: Door, root: Path, every_entries: int) -> Snapshots:
    """Of a worker that has none yet."""
    view = GalleryView(gallery)
    view.mark_fit()
    log = Log(door.redis, door.space_id)
    return Snapshots(root, door.space_id, view, log, door.processes, every_entries=every_entries, newest=0, oldest=None)


def erase_one(records: Records, gallery: Gallery) -> int:
    records.remove("track-1")
    gallery.apply(records.log)
    return records.head


async def kept_from(snapshots: Snapshots, version: int) -> bool:
    return snapshots.oldest == version


async def is_there(path: Path) -> bool:
    return path.exists()


async def test_a_snapshot_that_is_being_written_counts_before_it_is_there(door: Door, tmp_path: Path) -> None:
    # The first snapshot was under way when a track in it was erased: with none on disk, the worker said that it kept
    # nothing older than the erasure, the proof said `snapshots: done`, and then the snapshot appeared with the vector.
    records, gallery = filled(10), SlowGallery()
    gallery.apply(records.log)
    before = records.head
    snapshots = snapshots_of(gallery, door, tmp_path, every_entries=before)
    async with running(snapshots):
        assert await asyncio.to_thread(gallery.asked.wait, 10)
        erased = erase_one(records, gallery)
        assert snapshots.oldest == before
        snapshots.need(erased)
        gallery.go_on.set()
        await eventually(lambda: kept_from(snapshots, erased))
        assert [int(path.name) for path in (tmp_path / door.space_id).iterdir()] == [erased]


async def test_a_snapshot_that_was_asked_for_is_tried_again(
    door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who needs a newer snapshot asks once; a full disk at that moment left the older one, with what it must not hold,
    # until the next was due by itself.
    records, gallery = filled(10), SlowGallery()
    gallery.apply(records.log)
    gallery.go_on.set()
    snapshots = snapshots_of(gallery, door, tmp_path, every_entries=records.head)
    async with running(snapshots):
        await eventually(lambda: is_there(tmp_path / door.space_id / snapshot_name(records.head)))
        errors = [OSError(28, "No space left on device")]

        def full_once(root: Path, space_id: str) -> Path:
            if errors:
                raise errors.pop()
            return SlowGallery.snapshot(gallery, root, space_id)

        monkeypatch.setattr(gallery, "snapshot", full_once)
        monkeypatch.setattr("service.worker.snapshots.AGAIN_S", 0.0)
        erased = erase_one(records, gallery)
        snapshots.need(erased)
        await eventually(lambda: kept_from(snapshots, erased))
