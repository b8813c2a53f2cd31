"""Compaction loses nothing, whatever is applied while it runs."""

import numpy as np
import pytest

from index.vectors import compaction
from index.vectors import gallery as gallery_module
from index.vectors.compaction import Merged, merge
from index.vectors.gallery import Gallery
from index.vectors.segment import Segment
from tests.vectors.records import DIMENSION, Records, filled, unit
from tests.vectors.test_applying import assert_same, found


def test_small_segments_become_one_and_the_dead_are_left_out() -> None:
    records = filled(400)
    gallery = Gallery(DIMENSION, seal_rows=20)
    gallery.apply(records.log)
    before = gallery.bytes()
    due = gallery.compaction_due
    gallery.compact()
    assert (due, gallery.compaction_due) == (True, False)
    assert gallery.bytes() < before
    assert_same(gallery, records)


def test_merged_segments_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "MERGED_ROWS", 100)
    records = filled(400)
    gallery = Gallery(DIMENSION, seal_rows=20)
    gallery.apply(records.log)
    gallery.compact()
    assert_same(gallery, records)
    sizes = [len(segment) for segment in gallery._state.sealed]
    assert len(sizes) > 2
    assert max(sizes) <= 100


def test_a_gallery_of_removed_tracks_gives_its_memory_back() -> None:
    records = filled(100)
    gallery = Gallery(DIMENSION, seal_rows=20)
    empty = gallery.bytes()
    for track_id in list(records.tracks):
        records.remove(track_id)
    gallery.apply(records.log)
    gallery.compact()
    assert gallery.bytes() == empty
    assert_same(gallery, records)


@pytest.mark.parametrize("everything", [False, True])
def test_what_is_applied_during_a_merge_holds_afterwards(monkeypatch: pytest.MonkeyPatch, everything: bool) -> None:
    records = Records()
    for number, vector in enumerate(unit(np.random.default_rng(0), 60)):
        records.add(f"track-{number}", vector)
    gallery = Gallery(DIMENSION, seal_rows=10)
    gallery.apply(records.log)

    def merge_slowly(run: list[Segment]) -> Merged:
        monkeypatch.undo()  # once is enough
        merged = merge(run)
        for number in range(60) if everything else (0, 9, 10, 25, *range(30, 40)):
            records.remove(f"track-{number}")
        if not everything:
            records.update("track-11", camera_id="camera-new", span=(1, 2), tags={"site": "new"})
        for number, vector in enumerate(unit(np.random.default_rng(1), 25)):
            records.add(f"later-{number}", vector)
        gallery.apply(records.log)
        return merged

    monkeypatch.setattr(gallery_module, "merge", merge_slowly)
    gallery.compact()
    assert records.head > 60
    assert_same(gallery, records)
    gallery.compact()
    assert_same(gallery, records)


def test_searches_do_not_notice() -> None:
    records = filled(50)
    gallery = Gallery(DIMENSION, seal_rows=10)
    gallery.apply(records.log)
    before = found(gallery)
    gallery.compact()
    assert found(gallery) == before
