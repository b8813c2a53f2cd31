"""How the log becomes the gallery."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.entries import Hit, LogEntry
from index.errors import ChecksumMismatch, LogGap
from index.vectors.gallery import Gallery
from tests.vectors.records import DIMENSION, FILTERS, Records, filled, unit

QUERIES = unit(np.random.default_rng(9), len(FILTERS))


def assert_same(gallery: Gallery, records: Records) -> None:
    """The gallery holds what the records hold, and finds it."""
    assert (gallery.version, gallery.count, gallery.checksum) == (
        records.head,
        len(records.tracks),
        records.checksum,
    )
    assert found(gallery) == [
        records.search(query, 1000, wanted, None) for query, wanted in zip(QUERIES, FILTERS, strict=True)
    ]


def found(gallery: Gallery) -> list[list[Hit]]:
    """What the gallery answers to one query for each filter."""
    return gallery.search(QUERIES, 1000, FILTERS, [None] * len(FILTERS))


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_entries_are_applied_in_any_portions(step: int) -> None:
    records = filled(60)
    gallery = Gallery(DIMENSION, seal_rows=16)
    for start in range(0, records.head, step):
        gallery.apply(records.log[start : start + step])
    assert_same(gallery, records)


def test_applying_again_changes_nothing() -> None:
    records = filled(40)
    gallery = Gallery(DIMENSION, seal_rows=16)
    gallery.apply(records.log[:30])
    gallery.apply(records.log[10:25])
    assert gallery.version == 30
    gallery.apply(records.log[20:])
    gallery.apply(records.log)
    gallery.apply([])
    assert_same(gallery, records)


@pytest.mark.parametrize("hole", [0, 5, 20])
def test_a_hole_in_the_log_is_found_and_nothing_is_applied(hole: int) -> None:
    records = filled(30)
    gallery = Gallery(DIMENSION)
    with pytest.raises(LogGap) as caught:
        gallery.apply(records.log[:hole] + records.log[hole + 1 :])
    assert (caught.value.have, caught.value.got) == (hole, hole + 2)
    assert (gallery.version, gallery.count, gallery.checksum) == (0, 0, 0)
    gallery.apply(records.log)
    assert_same(gallery, records)


@pytest.mark.parametrize("change", [{"count": 3}, {"checksum": 1}])
@pytest.mark.parametrize("seal_rows", [4, 16, 8192])
def test_a_gallery_that_would_not_fit_the_records_stays_as_it_was(change: dict[str, int], seal_rows: int) -> None:
    records = filled(40)
    gallery = Gallery(DIMENSION, seal_rows=seal_rows)
    gallery.apply(records.log[:21])
    before = found(gallery)
    wrong = replace(records.log[-1], **change)  # type: ignore[arg-type]
    with pytest.raises(ChecksumMismatch, match="rebuild"):
        gallery.apply([*records.log[21:-1], wrong])
    assert gallery.version == 21
    assert found(gallery) == before
    gallery.apply(records.log[21:])
    assert_same(gallery, records)


def test_a_track_added_again_replaces_the_old_one() -> None:
    records = Records()
    records.add("one", [1, 0, 0, 0])
    records.add("two", [0, 1, 0, 0])
    records.remove("one")
    records.add("one", [0, 0, 1, 0])
    del records.tracks["two"]  # as if the add of a present id were a replacement
    records.add("two", [0, 0, 0, 1])
    gallery = Gallery(DIMENSION, seal_rows=2)
    gallery.apply(records.log)
    assert_same(gallery, records)


@pytest.mark.parametrize("vector", [b"", b"\0" * 6, b"\0" * 10, np.full(4, np.inf, "<f2").tobytes()])
def test_a_vector_that_does_not_fit_is_refused(vector: bytes) -> None:
    gallery = Gallery(DIMENSION)
    with pytest.raises(ValueError, match="log entry 1"):
        gallery.apply([LogEntry(1, "add", "one", 1, 0, vector=vector)])
    assert gallery.version == 0


def test_a_remove_of_an_absent_track_is_seen_by_the_count() -> None:
    gallery = Gallery(DIMENSION)
    with pytest.raises(ChecksumMismatch):
        gallery.apply([LogEntry(1, "remove", "one", -1, 0)])


def test_records_go_into_an_empty_gallery_only() -> None:
    records = filled(10)
    gallery = Gallery(DIMENSION)
    gallery.apply(records.log)
    with pytest.raises(ValueError, match="empty"):
        gallery.load_records(records.tracks.values(), records.head)


def test_rebuild_from_records_at_rest() -> None:
    records = filled(80)
    gallery = Gallery(DIMENSION, seal_rows=16)
    gallery.load_records(list(records.tracks.values())[::-1], records.head)
    assert_same(gallery, records)


@given(st.data())
@settings(deadline=None)
def test_rebuild_while_the_records_change(data: st.DataObject) -> None:
    """A scan sees each track at some moment of its run, once or twice, and may miss those that came meanwhile."""
    records = filled(20, seed=1)
    head = data.draw(st.integers(0, records.head), "head at the begin")
    scanned = []
    for track_id in {entry.track_id for entry in records.log}:
        for _ in range(data.draw(st.integers(1, 2))):
            moment = data.draw(st.integers(head, records.head))
            track = _at(records, track_id, moment)
            if track is not None:
                scanned.append(track)
        born = next(entry.seq for entry in records.log if entry.track_id == track_id)
        if born > head and data.draw(st.booleans()):  # may come too late for the scan
            scanned = [track for track in scanned if track.track_id != track_id]
    gallery = Gallery(DIMENSION, seal_rows=data.draw(st.sampled_from([3, 8, 100])))
    gallery.load_records(data.draw(st.permutations(scanned)), head)
    gallery.apply(records.log[head:])
    assert_same(gallery, records)
    gallery.compact()
    assert_same(gallery, records)


def test_rows_come_into_the_order_of_the_log_when_merged() -> None:
    """A scan may see a late track and miss an early one, which the replay then brings into a later segment."""
    records = filled(30)
    late = [track for track in records.tracks.values() if int(track.track_id.split("-")[1]) >= 20]
    gallery = Gallery(DIMENSION, seal_rows=4)
    gallery.load_records(late, 0)
    gallery.apply(records.log)
    gallery.compact()
    assert_same(gallery, records)
    for number in (1, 21):
        records.update(f"track-{number}", camera_id="camera-1", span=(100, 150), tags={"site": "site-1"})
        records.remove(f"track-{number + 1}")
    gallery.apply(records.log)
    assert_same(gallery, records)


def _at(records: Records, track_id: str, moment: int) -> LogEntry | None:
    """The track as the records held it after log entry `moment`."""
    track: LogEntry | None = None
    for entry in records.log[:moment]:
        if entry.track_id == track_id:
            if entry.operation == "update" and track is not None:
                track = replace(entry, seq=track.seq, operation="add", vector=track.vector)
            else:
                track = entry if entry.operation == "add" else None
    return track
