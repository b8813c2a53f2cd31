"""Slow, literal forms of what `model.evaluation` computes: one query, one place, one line of the rule at a time."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from model.evaluation.answers import Ids


@dataclass
class Literal:
    """Figures of the queries that have an answer, per cent."""

    queries: int
    left_out: int
    cmc: dict[int, float]
    map: float
    trapezoid: float
    minp: float


def ids(persons: list[int], cameras: list[int]) -> Ids:
    return Ids(np.array(persons, np.int64), np.array(cameras, np.int64))


def literal_scores(similarities: np.ndarray, query_ids: Ids, gallery_ids: Ids, *, same_camera: bool = True) -> Literal:
    """Each query's list is walked from its top, as the official script of Market-1501 walks it."""
    first, precisions, trapezoids, penalties = [], [], [], []
    left_out = 0
    for query, scores in enumerate(similarities):
        marks = _walk(scores, query, query_ids, gallery_ids, same_camera)
        if not any(marks):
            left_out += 1
            continue
        hits = [place for place, right in enumerate(marks, 1) if right]
        first.append(hits[0])
        precisions.append(sum(found / place for found, place in enumerate(hits, 1)) / len(hits))
        trapezoids.append(_official_ap(marks))
        penalties.append(len(hits) / hits[-1])
    if not first:
        return Literal(0, left_out, {}, 0, 0, 0)
    cmc = {k: 100 * float(np.mean([place <= k for place in first])) for k in (1, 5, 10, 20)}
    means = (100 * float(np.mean(each)) for each in (precisions, trapezoids, penalties))
    return Literal(len(first), left_out, cmc, *means)


def _walk(scores: np.ndarray, query: int, query_ids: Ids, gallery_ids: Ids, same_camera: bool) -> list[bool]:
    """The list of a query from the top: right or wrong; at equal scores the wrong ones first."""
    kept = []
    for row, score in enumerate(scores):
        person, camera = gallery_ids.person[row], gallery_ids.camera[row]
        same = person == query_ids.person[query]
        if person == -1 or (same_camera and same and camera == query_ids.camera[query]):
            continue
        kept.append((-float(score), bool(same)))
    return [right for _, right in sorted(kept)]


def _official_ap(marks: list[bool]) -> float:
    """The loop of the official script, junk already taken out."""
    n_right, found, ap = sum(marks), 0, 0.0
    old_recall, old_precision = 0.0, 1.0
    for place, right in enumerate(marks, 1):
        found += right
        recall, precision = found / n_right, found / place
        ap += (recall - old_recall) * (old_precision + precision) / 2
        old_recall, old_precision = recall, precision
    return ap


def literal_rerank(queries: np.ndarray, gallery: np.ndarray, k1: int, k2: int, weight: float) -> Any:
    """The final distance (Q, N) of Zhong et al. (2017), written out row by row over dense matrices."""
    vectors = np.concatenate([queries, gallery]).astype(np.float64)
    size = len(vectors)
    original = np.array([[((one - other) ** 2).sum() for other in vectors] for one in vectors])
    original = original / original.max(axis=1, keepdims=True)
    nearest = np.argsort(original, axis=1, kind="stable")

    def mutual(row: int, k: int) -> set[int]:
        """R(row, k) of eq. 3; the row itself counts as its own nearest, so k + 1 are taken."""
        return {int(other) for other in nearest[row, : k + 1] if row in nearest[other, : k + 1]}

    encoded = np.zeros((size, size))
    for row in range(size):
        members = mutual(row, k1)
        extended = set(members)
        for other in members:
            theirs = mutual(other, round(k1 / 2))
            if len(theirs & members) > 2 / 3 * len(theirs):
                extended |= theirs
        for other in extended:
            encoded[row, other] = np.exp(-original[row, other])
        encoded[row] /= encoded[row].sum()
    if k2 > 1:
        encoded = np.array([encoded[nearest[row, :k2]].mean(axis=0) for row in range(size)])
    final = np.empty((len(queries), len(gallery)))
    for query in range(len(queries)):
        for row in range(len(gallery)):
            one, other = encoded[query], encoded[len(queries) + row]
            jaccard = 1 - np.minimum(one, other).sum() / np.maximum(one, other).sum()
            final[query, row] = (1 - weight) * jaccard + weight * original[query, len(queries) + row]
    return final
