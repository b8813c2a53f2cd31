"""k-reciprocal re-ranking (Zhong et al., CVPR 2017), by sparse rows: memory grows with Q x N, not with (Q + N) squared.

Axis letters: M = Q + N, queries first; k1, k2 and the weight of the original distance (lambda) are the paper's.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.evaluation.answers import Similarities, Vectors
from model.evaluation.errors import EvaluationError

Rows = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float32]
BLOCK_ROWS = 256


def rerank(
    queries: Vectors, gallery: Vectors, *, k1: int = 20, k2: int = 6, original_weight: float = 0.3
) -> Similarities:
    """Re-ranked similarities (Q, N), float32 in [-1, 0], of unit rows (Q, D) and (N, D): the negative of the paper's
    final distance (eq. 12), the Jaccard distance of k-reciprocal neighbourhoods mixed with the original one.

    The original distance is the squared Euclidean one, each row divided by its largest value, as in the authors' code.
    All queries and the whole gallery are each other's neighbours, so this suits an evaluation, not a single query.

    Raises:
        EvaluationError: k1 or k2 is below 1, k1 is not below M, or the weight is outside 0-1.
    """
    vectors = np.concatenate([queries, gallery])
    if not (1 <= k2 <= k1 + 1 <= len(vectors) and 0 <= original_weight <= 1):
        raise EvaluationError(
            f"re-ranking needs 1 <= k2 <= k1 + 1 <= {len(vectors)} (queries and gallery together) and a weight in 0-1, "
            f"got k1 = {k1}, k2 = {k2}, weight = {original_weight}: choose a smaller k1, or do not re-rank so few"
        )
    neighbours, largest = _neighbours(vectors, k1 + 1)
    encoded = _encode(vectors, neighbours, largest, k1)
    if k2 > 1:
        encoded = _expand(encoded, neighbours[:, :k2])
    result = _jaccard_similarities(encoded, len(queries))
    result *= 1 - original_weight
    for rows in _blocks(len(queries)):
        distances = _distances(vectors[rows], gallery)
        result[rows] -= original_weight * distances / largest[rows, None] + (1 - original_weight)
    return result


@dataclass(frozen=True, slots=True)
class _Sparse:
    """A square matrix (M, M), row after row; columns rise within a row."""

    starts: Rows  # (M + 1,)
    columns: Rows
    values: Weights

    def row(self, row: int) -> tuple[Rows, Weights]:
        part = slice(self.starts[row], self.starts[row + 1])
        return self.columns[part], self.values[part]

    def transposed(self) -> "_Sparse":
        size = len(self.starts) - 1
        order = np.argsort(self.columns, kind="stable")
        rows = np.repeat(np.arange(size), np.diff(self.starts))
        return _Sparse(_starts(self.columns, size), rows[order], self.values[order])


def _starts(rows: Rows, size: int) -> Rows:
    return np.concatenate([[0], np.bincount(rows, minlength=size).cumsum()])


def _blocks(size: int) -> Iterator[slice]:
    return (slice(first, min(first + BLOCK_ROWS, size)) for first in range(0, size, BLOCK_ROWS))


def _distances(some: Vectors, others: Vectors) -> Weights:
    """Squared Euclidean distances of unit rows."""
    distances: Weights = np.maximum(2 - 2 * (some @ others.T), 0)
    return distances


def _neighbours(vectors: Vectors, k: int) -> tuple[Rows, Weights]:
    """(M, k) the nearest of each row, itself among them, nearest first; and (M,) the distance of its furthest."""
    found = np.empty((len(vectors), k), np.int64)
    largest = np.empty(len(vectors), np.float32)
    for rows in _blocks(len(vectors)):
        distances = _distances(vectors[rows], vectors)
        nearest = np.argpartition(distances, k - 1, axis=1)[:, :k]
        order = np.argsort(np.take_along_axis(distances, nearest, axis=1), axis=1, kind="stable")
        found[rows] = np.take_along_axis(nearest, order, axis=1)
        largest[rows] = distances.max(axis=1)
    return found, np.maximum(largest, np.float32(1e-12))


def _reciprocal(neighbours: Rows) -> npt.NDArray[np.bool_]:
    """(M, k) which neighbours have the row among their own k nearest (eq. 3)."""
    mutual = np.empty(neighbours.shape, np.bool_)
    for rows in _blocks(len(neighbours)):
        own = np.arange(rows.start, rows.stop)
        mutual[rows] = (neighbours[neighbours[rows]] == own[:, None, None]).any(axis=2)
    return mutual


def _encode(vectors: Vectors, neighbours: Rows, largest: Weights, k1: int) -> _Sparse:
    """Each row's extended k-reciprocal set as weights that fall with the distance and sum to 1 (eq. 5 and 7)."""
    size = len(vectors)
    mutual = _reciprocal(neighbours)
    half = neighbours[:, : round(k1 / 2) + 1]
    half_mutual = _reciprocal(half)
    keys = np.concatenate([_members(rows, neighbours, mutual, half, half_mutual) for rows in _blocks(size)])
    rows, columns = keys // size, keys % size
    weights = np.empty(len(keys), np.float32)
    for part in (slice(first, first + 65_536) for first in range(0, len(keys), 65_536)):
        likeness = np.einsum("md,md->m", vectors[rows[part]], vectors[columns[part]])
        weights[part] = np.exp(-np.maximum(2 - 2 * likeness, 0) / largest[rows[part]])
    weights /= np.bincount(rows, weights, size)[rows].astype(np.float32)
    return _Sparse(_starts(rows, size), columns, weights)


def _members(
    rows: slice,
    neighbours: Rows,
    mutual: npt.NDArray[np.bool_],
    half: Rows,
    half_mutual: npt.NDArray[np.bool_],
) -> Rows:
    """Rising keys row x M + column of a block's extended sets.

    A mutual neighbour's own mutual neighbours (of half as many) join where more than two thirds of them are already in
    the set (eq. 5).
    """
    own = np.arange(rows.start, rows.stop)[:, None] * len(neighbours)
    set_of_row = np.where(mutual[rows], neighbours[rows], -1)  # b k
    theirs = np.where(half_mutual, half, -2)[neighbours[rows]]  # b k h
    shared = (theirs[:, :, :, None] == set_of_row[:, None, None, :]).any(axis=3).sum(axis=2)  # b k
    joins = mutual[rows] & (3 * shared > 2 * (theirs >= 0).sum(axis=2))  # b k
    joined = np.where(joins[:, :, None] & (theirs >= 0), theirs + own[:, :, None], -1)
    return np.unique(np.concatenate([(neighbours[rows] + own)[mutual[rows]], joined[joined >= 0]]))


def _expand(encoded: _Sparse, nearest: Rows) -> _Sparse:
    """Each row becomes the mean of its nearest rows' (local query expansion, eq. 11)."""
    size, k2 = nearest.shape
    lengths = np.diff(encoded.starts)
    parts = []
    for block in _blocks(size):
        sources = nearest[block].ravel()
        owners = np.repeat(np.repeat(np.arange(block.start, block.stop), k2), lengths[sources])
        taken = _runs(encoded.starts[sources], lengths[sources])
        keys, places = np.unique(owners * size + encoded.columns[taken], return_inverse=True)
        parts.append((keys, np.bincount(places, encoded.values[taken]).astype(np.float32) / np.float32(k2)))
    keys, values = (np.concatenate(each) for each in zip(*parts, strict=True))
    return _Sparse(_starts(keys // size, size), keys % size, values)


def _runs(starts: Rows, lengths: Rows) -> Rows:
    """The numbers of all runs, one run after the other."""
    ends = lengths.cumsum()
    return np.arange(ends[-1]) - np.repeat(ends - lengths, lengths) + np.repeat(starts, lengths)


def _jaccard_similarities(encoded: _Sparse, n_queries: int) -> Similarities:
    """(Q, N) one minus the Jaccard distance (eq. 10): shared weight over united weight. Rows sum to 1."""
    size = len(encoded.starts) - 1
    by_column = encoded.transposed()
    lengths = np.diff(by_column.starts)
    result = np.empty((n_queries, size - n_queries), np.float32)
    for query in range(n_queries):
        columns, weights = encoded.row(query)
        others = _runs(by_column.starts[columns], lengths[columns])
        shared = np.minimum(np.repeat(weights, lengths[columns]), by_column.values[others])
        united = np.bincount(by_column.columns[others], shared, size)[n_queries:]
        result[query] = united / (2 - united)
    return result
