"""Rank-k, mAP and mINP: cases worked out by hand, ties, junk, and a literal form of the rule on drawn galleries."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.evaluation.answers import BLOCK_BYTES, Ids, answers_of
from model.evaluation.errors import EvaluationError, NothingToAsk
from model.evaluation.metrics import rank, rank_by_similarity
from tests.evaluation.literal import ids, literal_scores

ONE = ids([1], [1])


def rows(*scores: list[float]) -> np.ndarray:
    return np.array(scores, np.float32)


def test_one_query_worked_by_hand() -> None:
    # The list from the top: right (.9), wrong (.8), wrong (.7), right (.6), wrong (.5). Hits at places 1 and 4.
    # Precision at hits: (1/1 + 2/4) / 2 = 3/4. Trapezoid: before place 1 the precision is 1, before place 4 it is 1/3:
    # ((1 + 1) / 2 + (1/3 + 1/2) / 2) / 2 = (1 + 5/12) / 2 = 17/24. mINP: 2 right ones over the last place, 2/4.
    similarities = rows([0.6, 0.8, 0.9, 0.5, 0.7])
    gallery = ids([1, 2, 1, 3, 0], [2, 1, 3, 1, 2])
    scores = rank_by_similarity(similarities, ONE, gallery)
    assert (scores.queries, scores.gallery, scores.left_out) == (1, 5, 0)
    assert (scores.rank1, scores.rank5, scores.ap) == (100, 100, "precision at hits")
    assert scores.map == pytest.approx(75)
    assert scores.minp == pytest.approx(50)
    trapezoid = rank_by_similarity(similarities, ONE, gallery, ap="trapezoid")
    assert trapezoid.map == pytest.approx(100 * 17 / 24)
    assert (trapezoid.minp, trapezoid.rank1, trapezoid.ap) == (scores.minp, 100, "trapezoid")


def test_three_queries_worked_by_hand() -> None:
    # Person 1 finds its two at places 1 and 2: AP 1, INP 1. Person 2 finds its one at place 3: AP 1/3, INP 1/3.
    # Person 7 is nobody's: left out. Rank-1 is 1/2, rank-5 is 1, mAP and mINP are (1 + 1/3) / 2 = 2/3.
    similarities = rows([0.9, 0.8, 0.1, 0.2], [0.9, 0.8, 0.7, 0.2], [0.1, 0.2, 0.3, 0.4])
    scores = rank_by_similarity(similarities, ids([1, 2, 7], [1, 1, 1]), ids([1, 1, 2, 3], [2, 3, 2, 2]))
    assert (scores.queries, scores.left_out, scores.gallery) == (2, 1, 4)
    assert (scores.rank1, scores.rank5) == (50, 100)
    assert scores.map == scores.minp == pytest.approx(200 / 3)


def test_a_first_answer_at_place_6_counts_from_rank_10_on() -> None:
    gallery = ids([2, 3, 4, 5, 6, 1], [2] * 6)
    scores = rank_by_similarity(rows([0.9, 0.8, 0.7, 0.6, 0.5, 0.4]), ONE, gallery)
    assert (scores.rank1, scores.rank5, scores.rank10, scores.rank20) == (0, 0, 100, 100)


def test_own_camera_and_junk_have_no_place() -> None:
    # In front of the right answer (.5) stand the query itself (1.0, its own camera), another picture of it there (.9)
    # and two of junk (.8, .7), one of them of the query's camera. None of them has a place, so it is first. A stranger
    # of the query's camera does have one: at .6 it stands before the second right answer (.4).
    gallery = ids([1, 1, -1, -1, 1, 2, 1], [1, 1, 1, 4, 2, 1, 3])
    similarities = rows([1.0, 0.9, 0.8, 0.7, 0.65, 0.6, 0.4])
    scores = rank_by_similarity(similarities, ONE, gallery)
    assert (scores.gallery, scores.rank1) == (5, 100)
    assert scores.map == pytest.approx(100 * (1 / 1 + 2 / 3) / 2)
    assert rank_by_similarity(similarities, ONE, gallery, same_camera=False).map == pytest.approx(
        100 * (1 + 1 + 1 + 4 / 5) / 4
    )


def test_a_query_that_is_only_in_its_own_camera_has_no_answer() -> None:
    gallery = ids([1, 2], [1, 2])
    with pytest.raises(NothingToAsk, match="none of 1 queries has a right answer among 2"):
        rank_by_similarity(rows([0.9, 0.1]), ONE, gallery)
    assert rank_by_similarity(rows([0.9, 0.1]), ONE, gallery, same_camera=False).rank1 == 100


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]])
def test_at_equal_scores_the_wrong_ones_stand_first(order: list[int]) -> None:
    # A network that finds everything alike: two wrong before two right, whatever the order of the gallery.
    # Hits at places 3 and 4: AP = (1/3 + 2/4) / 2 = 5/12, INP = 2/4.
    gallery = Ids(np.array([1, 2, 1, 3])[order], np.array([2, 2, 3, 2])[order])
    scores = rank_by_similarity(rows([0.5, 0.5, 0.5, 0.5]), ONE, gallery)
    assert (scores.rank1, scores.rank5, scores.minp) == (0, 100, 50)
    assert scores.map == pytest.approx(100 * 5 / 12)


@st.composite
def galleries(draw: st.DrawFn) -> tuple[np.ndarray, Ids, Ids]:
    """Similarities of few different values (ties abound), persons with junk and distractors, three cameras."""
    n_queries, n_gallery = draw(st.integers(1, 5)), draw(st.integers(1, 30))
    score = st.integers(-4, 4).map(lambda value: value / 4)
    matrix = draw(
        st.lists(st.lists(score, min_size=n_gallery, max_size=n_gallery), min_size=n_queries, max_size=n_queries)
    )

    def people(lowest: int, count: int) -> Ids:
        persons = draw(st.lists(st.integers(lowest, 4), min_size=count, max_size=count))
        return ids(persons, draw(st.lists(st.integers(1, 3), min_size=count, max_size=count)))

    return np.array(matrix, np.float32), people(1, n_queries), people(-1, n_gallery)


@given(drawn=galleries(), same_camera=st.booleans())
@settings(deadline=None)
def test_equal_to_the_rule_walked_literally(drawn: tuple[np.ndarray, Ids, Ids], same_camera: bool) -> None:
    similarities, query_ids, gallery_ids = drawn
    try:
        scores = rank_by_similarity(similarities, query_ids, gallery_ids, same_camera=same_camera)
    except NothingToAsk:
        scores = None
    want = literal_scores(similarities, query_ids, gallery_ids, same_camera=same_camera)
    assert want.queries + want.left_out == len(query_ids)
    if scores is None:
        assert want.queries == 0
        return
    assert (scores.queries, scores.left_out) == (want.queries, want.left_out)
    assert {1: scores.rank1, 5: scores.rank5, 10: scores.rank10, 20: scores.rank20} == pytest.approx(want.cmc)
    assert scores.map == pytest.approx(want.map) and scores.minp == pytest.approx(want.minp)
    trapezoid = rank_by_similarity(similarities, query_ids, gallery_ids, same_camera=same_camera, ap="trapezoid")
    assert trapezoid.map == pytest.approx(want.trapezoid)


@given(drawn=galleries(), seed=st.integers(0, 2**31))
@settings(deadline=None)
def test_neither_order_nor_scale_nor_junk_changes_anything(drawn: tuple[np.ndarray, Ids, Ids], seed: int) -> None:
    similarities, query_ids, gallery_ids = drawn
    # So that somebody has an answer, whatever was drawn.
    similarities = np.pad(similarities, ((0, 0), (0, 1)))
    gallery_ids = ids([*gallery_ids.person, int(query_ids.person[0])], [*gallery_ids.camera, 9])
    scores = rank_by_similarity(similarities, query_ids, gallery_ids)
    order = np.random.default_rng(seed).permutation(len(gallery_ids))
    shuffled = Ids(gallery_ids.person[order], gallery_ids.camera[order])
    assert rank_by_similarity(3 * similarities[:, order] - 1, query_ids, shuffled) == scores
    with_junk = ids([*gallery_ids.person, -1, -1], [*gallery_ids.camera, 1, 2])
    assert rank_by_similarity(np.pad(similarities, ((0, 0), (0, 2)), constant_values=5), query_ids, with_junk) == scores


def random_units(count: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, 8)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def test_vectors_are_ranked_by_cosine_block_after_block(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, gallery = random_units(23, 0), random_units(70, 1)
    random = np.random.default_rng(2)
    query_ids = Ids(random.integers(1, 6, 23), random.integers(1, 4, 23))
    gallery_ids = Ids(random.integers(-1, 6, 70), random.integers(1, 4, 70))
    want = rank_by_similarity(queries @ gallery.T, query_ids, gallery_ids)
    assert rank(queries, gallery, query_ids, gallery_ids) == want
    assert BLOCK_BYTES >= 4 * 70 * 23
    monkeypatch.setattr("model.evaluation.answers.BLOCK_BYTES", 4 * 70 * 5)
    blocked = rank(queries, gallery, query_ids, gallery_ids)
    assert blocked.map == pytest.approx(want.map) and blocked.rank1 == want.rank1


def test_a_gallery_of_markets_size_is_ranked_without_holding_all_similarities() -> None:
    persons, n_queries, n_gallery = 750, 3_368, 19_732
    random = np.random.default_rng(0)
    query_ids = Ids(random.integers(1, persons + 1, n_queries), np.ones(n_queries, np.int64))
    # Every query's own vector is there as well, seen by the other camera; everything else is chance.
    person = np.concatenate([query_ids.person, random.integers(-1, persons + 1, n_gallery - n_queries)])
    gallery_ids = Ids(person, np.where(np.arange(n_gallery) < n_queries, 2, random.integers(1, 7, n_gallery)))
    queries, others = random_units(n_queries, 1), random_units(n_gallery - n_queries, 2)
    tracemalloc.start()
    try:
        scores = rank(queries, np.concatenate([queries, others]), query_ids, gallery_ids)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * BLOCK_BYTES < 4 * n_queries * n_gallery
    assert (scores.queries, scores.left_out, scores.gallery) == (n_queries, 0, int((person != -1).sum()))
    assert scores.rank1 == 100 and 0 < scores.minp < scores.map < 50


def test_a_perfect_and_a_useless_network() -> None:
    persons = np.repeat(np.arange(1, 11), 4)
    people = Ids(persons, np.tile([1, 2, 3, 4], 10))
    own = np.eye(10, dtype=np.float32)[persons - 1]
    perfect = rank(own, own, people, people)
    assert (perfect.rank1, perfect.map, perfect.minp, perfect.queries) == (100, 100, 100, 40)
    alike = np.broadcast_to(random_units(1, 3), (40, 8))
    assert rank(alike, alike, people, people).rank20 == 0
    assert rank(alike, alike, people, people).map < 10


def test_what_cannot_be_ranked_is_refused() -> None:
    vectors = random_units(3, 0)
    people = ids([1, 2, 3], [1, 1, 1])
    with pytest.raises(EvaluationError, match=r"need one D, got \(3, 8\) and \(3, 4\)"):
        answers_of(vectors, vectors[:, :4], people, people)
    with pytest.raises(EvaluationError, match="every row needs its identity"):
        answers_of(vectors, vectors, people, ids([1], [1]))
    with pytest.raises(EvaluationError, match="a query must show a person"):
        answers_of(vectors, vectors, ids([1, 0, 2], [1, 1, 1]), people)
    broken = vectors.copy()
    broken[1, 2] = np.nan
    with pytest.raises(EvaluationError, match="not finite"):
        answers_of(vectors, broken, people, people)
