"""Exact search over segments: the nearest of each are candidates, which are scored again and ranked together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from index.entries import Filter, Hit, Vector
from index.vectors.columns import Mask
from index.vectors.masks import allowed
from index.vectors.segment import Ids, Segment
from index.vectors.state import State
from index.vectors.vocabulary import Vocabulary

SPARE = 16  # candidates beyond k, so that hardly any search has to be widened
FEW_ROWS = 256  # up to so many, gathering the rows is faster than scanning a segment for them
BLOCK_NUMBERS = 4_000_000  # of candidates' vectors held at a time: 32 MB


@dataclass(frozen=True, slots=True)
class Part:
    """A segment and which of its rows may be returned."""

    segment: Segment
    mask: Mask | None  # None: all
    n_rows: int  # rows that may be returned

    def nearest(self, queries: Vector, k: int) -> tuple[Vector, Ids]:
        """Scores and rows, each (Q, min(k, n_rows)), unordered, as exact as float32 sums are."""
        vectors = self.segment.rows.vectors
        if self.n_rows <= FEW_ROWS and self.mask is not None:
            rows = np.flatnonzero(self.mask)
            scores: Vector = np.einsum("qd,nd->qn", queries, vectors.halves[rows].astype(np.float32))
            return scores, np.broadcast_to(rows, scores.shape)
        return vectors.nearest(queries, min(k, self.n_rows), self.mask)


@dataclass(frozen=True, slots=True)
class Ranking:
    """Candidates of Q queries, each array (Q, M)."""

    score: Vector
    part: npt.NDArray[np.intp]
    row: Ids

    def take(self, places: npt.NDArray[np.intp]) -> Self:
        """Candidates numbered `places` (Q, m), in that order."""
        return type(self)(
            np.take_along_axis(self.score, places, axis=1),
            np.take_along_axis(self.part, places, axis=1),
            np.take_along_axis(self.row, places, axis=1),
        )


def search(
    state: State,
    vocabulary: Vocabulary,
    queries: Vector,
    k: int,
    filters: Sequence[Filter],
    min_scores: Sequence[float | None],
) -> list[list[Hit]]:
    """The k best tracks for each query; queries of equal filters go together."""
    groups: dict[Filter, list[int]] = {}
    for number, wanted in enumerate(filters):
        groups.setdefault(wanted, []).append(number)
    hits: list[list[Hit]] = [[] for _ in filters]
    for wanted, numbers in groups.items():
        parts = _parts(state, wanted, vocabulary)
        if parts:
            found = _ranked(parts, queries[numbers], k)
            for number, best in zip(numbers, found, strict=True):
                lowest = min_scores[number]
                hits[number] = [hit for hit in best if lowest is None or hit.score >= lowest]
    return hits


def _parts(state: State, wanted: Filter, vocabulary: Vocabulary) -> list[Part]:
    parts = []
    for segment in state.segments:
        mask = allowed(segment, wanted, vocabulary)
        n_rows = len(segment) if mask is None else int(np.count_nonzero(mask))
        if n_rows:
            parts.append(Part(segment, mask, n_rows))
    return parts


def _ranked(parts: list[Part], queries: Vector, k: int) -> list[list[Hit]]:
    """The k best of each query, equal scores in the order of the log.

    A scan's float32 sums depend on the order of summing, so they only choose candidates. Whether a candidate that was
    left out could belong to the k best is then known from the worst one taken; if it could, more are taken.
    """
    n_rows = sum(part.n_rows for part in parts)
    hits: list[list[Hit]] = [[] for _ in queries]
    pending = np.arange(len(queries))
    n_wanted = k + SPARE
    while pending.size:
        asked = queries[pending]
        candidates = _candidates(parts, asked, n_wanted)
        ranking = _scored(parts, asked, candidates)
        settled = np.ones(len(pending), np.bool_)
        if n_wanted < n_rows:
            settled = ranking.score[:, k - 1] > candidates.score.min(axis=1) + _rounding(asked)
        for place in np.flatnonzero(settled).tolist():
            hits[pending[place]] = _hits(parts, ranking, place, k)
        pending = pending[~settled]
        n_wanted *= 4
    return hits


def _rounding(queries: Vector) -> Vector:
    """(Q,) bound on how far a scan's score may be from the true one, for vectors of unit length."""
    norms: Vector = np.linalg.norm(queries, axis=1)
    return norms * np.float32(queries.shape[1] * 2.0**-23)


def _candidates(parts: list[Part], queries: Vector, n_wanted: int) -> Ranking:
    """The `n_wanted` best by the scans' scores, or all there are; unordered."""
    found = [part.nearest(queries, n_wanted) for part in parts]
    widths = [scores.shape[1] for scores, _ in found]
    candidates = Ranking(
        np.concatenate([scores for scores, _ in found], axis=1),
        np.broadcast_to(np.repeat(np.arange(len(parts)), widths), (len(queries), sum(widths))),
        np.concatenate([rows for _, rows in found], axis=1),
    )
    if sum(widths) <= n_wanted:
        return candidates
    return candidates.take(np.argpartition(-candidates.score, n_wanted - 1, axis=1)[:, :n_wanted])


def _scored(parts: list[Part], queries: Vector, candidates: Ranking) -> Ranking:
    """The candidates with their true scores, best first, older first where equal."""
    n_queries, n_candidates = candidates.row.shape
    dimension = queries.shape[1]
    score = np.empty((n_queries, n_candidates), np.float32)
    step = max(1, BLOCK_NUMBERS // (n_candidates * dimension))
    for start in range(0, n_queries, step):
        block = slice(start, start + step)
        vectors = np.empty((*candidates.row[block].shape, dimension))
        for number, part in enumerate(parts):
            here = candidates.part[block] == number
            vectors[here] = part.segment.rows.vectors.halves[candidates.row[block][here]]
        # In float64 equal vectors get equal scores, wherever they are stored, once rounded.
        score[block] = np.einsum("qmd,qd->qm", vectors, queries[block].astype(np.float64))
    seq = np.empty((n_queries, n_candidates), np.int64)
    for number, part in enumerate(parts):
        here = candidates.part == number
        seq[here] = part.segment.rows.seq[candidates.row[here]]
    true = Ranking(score, candidates.part, candidates.row)
    return true.take(np.lexsort((seq, -score), axis=1))


def _hits(parts: list[Part], ranking: Ranking, place: int, k: int) -> list[Hit]:
    best = zip(
        ranking.score[place, :k].tolist(),
        ranking.part[place, :k].tolist(),
        ranking.row[place, :k].tolist(),
        strict=True,
    )
    return [Hit(parts[part].segment.rows.track_ids[row], score) for score, part, row in best]
