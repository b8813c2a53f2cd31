"""What a search returns."""

import numpy as np
import pytest

from index.entries import Filter
from index.vectors.gallery import Gallery
from tests.vectors.records import DIMENSION, FILTERS, Records, filled, unit


def gallery_of(records: Records, seal_rows: int = 8192) -> Gallery:
    gallery = Gallery(DIMENSION, seal_rows=seal_rows)
    gallery.apply(records.log)
    return gallery


@pytest.mark.parametrize("seal_rows", [7, 64, 8192])
def test_each_query_has_its_own_filter(seal_rows: int) -> None:
    records = filled(150)
    gallery = gallery_of(records, seal_rows)
    queries = unit(np.random.default_rng(1), len(FILTERS))
    for k in (1, 5, 1000):
        found = gallery.search(queries, k, FILTERS, [None] * len(FILTERS))
        assert found == [records.search(query, k, wanted, None) for query, wanted in zip(queries, FILTERS, strict=True)]


def test_filtered_scan_of_a_segment_with_many_rows_left_over() -> None:
    records = Records()
    for number, vector in enumerate(unit(np.random.default_rng(2), 2000)):
        records.add(f"track-{number}", vector, kind="image" if number % 2 else "video", item_id=f"item-{number % 3}")
    gallery = gallery_of(records, seal_rows=1000)
    query = unit(np.random.default_rng(3), 1)
    for wanted in (Filter(kind="image"), Filter(exclude_item_ids=("item-1",))):
        assert gallery.search(query, 40, [wanted], [None]) == [records.search(query[0], 40, wanted, None)]


def test_minimum_scores_cut() -> None:
    records = filled(60)
    gallery = gallery_of(records)
    query = unit(np.random.default_rng(4), 1).repeat(3, axis=0)
    found = gallery.search(query, 50, [Filter()] * 3, [None, 0.5, 2.0])
    assert found == [records.search(query[0], 50, Filter(), lowest) for lowest in (None, 0.5, 2.0)]
    assert found[0] and found[1] and not found[2]
    lowest = found[0][3].score
    assert len(gallery.search(query[:1], 50, [Filter()], [lowest])[0]) == 4  # a score that equals it stays


@pytest.mark.parametrize("seal_rows", [50, 1000])
def test_equal_scores_come_in_the_order_of_the_log(seal_rows: int) -> None:
    records = Records()
    same, other = unit(np.random.default_rng(5), 2)
    for number in range(300):
        records.add(f"track-{number}", other if number % 50 == 1 else same)
    gallery = gallery_of(records, seal_rows)
    for k in (1, 10, 100, 299):
        found = gallery.search(same[None], k, [Filter()], [None])
        assert found == [records.search(same, k, Filter(), None)]


def test_empty_gallery_and_no_queries() -> None:
    gallery = Gallery(DIMENSION)
    query = unit(np.random.default_rng(6), 2)
    assert gallery.search(query, 3, [Filter(), Filter(kind="image")], [None, 0.5]) == [[], []]
    assert gallery.search(query[:0], 3, [], []) == []
    assert gallery_of(filled(20)).search(query[:0], 3, [], []) == []


def test_an_instant_is_found_by_time() -> None:
    records = Records()
    records.add("picture", [1, 0, 0, 0], kind="image", span=(500, 500))
    gallery = gallery_of(records)
    query = np.ones((3, DIMENSION), np.float32)
    wanted = [Filter(from_ms=500), Filter(from_ms=400, to_ms=500), Filter(from_ms=501)]
    assert [len(hits) for hits in gallery.search(query, 1, wanted, [None] * 3)] == [1, 0, 0]


def test_the_callers_arrays_are_left_alone() -> None:
    gallery = gallery_of(filled(30))
    queries = unit(np.random.default_rng(7), 6)
    before = queries.copy()
    backwards = queries[::-2]  # not contiguous either
    straight = gallery.search(backwards.copy(), 5, [Filter()] * 3, [None] * 3)
    assert gallery.search(backwards, 5, [Filter()] * 3, [None] * 3) == straight
    assert (queries == before).all()


def test_parameters_do_not_leak_into_the_next_search() -> None:
    records = filled(100)
    gallery = gallery_of(records, seal_rows=50)
    query = unit(np.random.default_rng(8), 1)
    before = gallery.search(query, 100, [Filter()], [None])
    gallery.search(query, 100, [Filter(kind="video", item_ids=("item-1",))], [0.1], threads=2)
    assert gallery.search(query, 100, [Filter()], [None]) == before


@pytest.mark.parametrize(
    ("vectors", "k", "n_filters", "message"),
    [
        (np.zeros((1, 4), np.float32), 0, 1, "at least 1"),
        (np.zeros((1, 5), np.float32), 1, 1, "another encoder"),
        (np.zeros(4, np.float32), 1, 1, "another encoder"),
        (np.full((1, 4), np.nan, np.float32), 1, 1, "finite"),
        (np.zeros((2, 4), np.float32), 1, 1, "needs a filter"),
    ],
)
def test_what_cannot_be_searched_is_refused(
    vectors: np.ndarray[tuple[int, ...], np.dtype[np.float32]], k: int, n_filters: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Gallery(DIMENSION).search(vectors, k, [Filter()] * n_filters, [None] * n_filters)


def test_counts_and_bytes() -> None:
    records = filled(90)
    gallery = gallery_of(records, seal_rows=32)
    kinds = [track.kind for track in records.tracks.values()]
    assert gallery.counts() == {"video": kinds.count("video"), "image": kinds.count("image")}
    assert gallery.dimension == DIMENSION
    assert gallery.bytes() > 90 * DIMENSION * 2
