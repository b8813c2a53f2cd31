"""k-reciprocal re-ranking: equal to the paper written out literally, and better where neighbourhoods tell more."""

import numpy as np
import pytest

from model.evaluation.errors import EvaluationError
from model.evaluation.metrics import rank, rank_by_similarity
from model.evaluation.rerank import rerank
from tests.evaluation.literal import ids, literal_rerank


def people(count: int, views: int, noise: float, seed: int) -> np.ndarray:
    """Unit rows (count x views, D): views of one person scatter around a direction of their own."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(count, 1, 12))
    vectors = (centres + noise * random.normal(size=(count, views, 12))).reshape(-1, 12).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


@pytest.mark.parametrize(("k1", "k2", "weight"), [(20, 6, 0.3), (7, 1, 0.3), (4, 3, 0.0), (5, 2, 1.0), (1, 2, 0.5)])
def test_equal_to_the_literal_form(k1: int, k2: int, weight: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.evaluation.rerank.BLOCK_ROWS", 17)  # several blocks, the last one short
    vectors = people(10, 6, 0.6, seed=k1)
    queries, gallery = vectors[::5], np.delete(vectors, slice(None, None, 5), axis=0)
    before = queries.copy(), gallery.copy()
    similarities = rerank(queries, gallery, k1=k1, k2=k2, original_weight=weight)
    assert similarities.dtype == np.float32
    np.testing.assert_allclose(-similarities, literal_rerank(queries, gallery, k1, k2, weight), atol=2e-5)
    assert np.array_equal(queries, before[0]) and np.array_equal(gallery, before[1])


def test_with_the_original_distance_alone_the_order_stays() -> None:
    vectors = people(8, 5, 0.8, seed=1)
    similarities = rerank(vectors[:8], vectors[8:], k1=6, original_weight=1.0)
    assert np.array_equal(np.argsort(-similarities), np.argsort(-(vectors[:8] @ vectors[8:].T)))


def test_it_helps_where_the_views_of_a_person_stick_together() -> None:
    vectors = people(30, 8, 0.8, seed=2)
    persons = np.repeat(np.arange(1, 31), 8)
    queries, gallery = vectors[::8], np.delete(vectors, slice(None, None, 8), axis=0)
    query_ids = ids(persons[::8].tolist(), [1] * 30)
    gallery_ids = ids(np.delete(persons, slice(None, None, 8)).tolist(), [2] * 210)
    plain = rank(queries, gallery, query_ids, gallery_ids)
    reranked = rank_by_similarity(rerank(queries, gallery, k1=8, k2=4), query_ids, gallery_ids)
    assert 50 < plain.map < 95
    assert reranked.map > plain.map + 2


def test_pictures_that_are_the_same_do_no_harm() -> None:
    vectors = np.repeat(people(3, 1, 0.0, seed=3), 4, axis=0)  # four times each: ties everywhere
    similarities = rerank(vectors[::4], vectors, k1=2, k2=2)
    assert np.isfinite(similarities).all()
    assert np.array_equal(similarities.argmax(axis=1) // 4, [0, 1, 2])


@pytest.mark.parametrize(("k1", "k2", "weight"), [(12, 6, 0.3), (3, 0, 0.3), (3, 5, 0.3), (3, 2, 1.5)])
def test_numbers_without_meaning_are_refused(k1: int, k2: int, weight: float) -> None:
    vectors = people(3, 4, 0.5, seed=0)
    with pytest.raises(EvaluationError, match="re-ranking needs 1 <= k2"):
        rerank(vectors[:2], vectors[2:], k1=k1, k2=k2, original_weight=weight)
