"""From vectors and identities to where each query's right answers stand: the one pass under all figures.

Axis letters: Q queries, N gallery, D embedding, A queries that have an answer, P right answers of all of them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.data.records import JUNK
from model.evaluation.errors import EvaluationError, NothingToAsk

Vectors = npt.NDArray[np.float32]  # (rows, D), unit length
Similarities = npt.NDArray[np.float32]  # (Q, N), the larger the more alike
Numbers = npt.NDArray[np.int64]

BLOCK_BYTES = 64 * 2**20  # of similarities that are held at once


@dataclass(frozen=True, slots=True)
class Ids:
    """Who is seen where, (rows,) int64 each. A person of 0 is a distractor, of -1 junk."""

    person: Numbers
    camera: Numbers

    def __len__(self) -> int:
        return len(self.person)


@dataclass(frozen=True, slots=True)
class Answers:
    """Of every query that has a right answer: the places of all of them, and the best right and wrong score.

    Junk, and what the same-camera rule leaves out, have no place: places count the rest of the gallery from 1.
    Where scores are equal the wrong ones stand first, so that neither the order of the gallery nor a network that
    finds everything alike can win a place.
    """

    places: Numbers  # (P,) from 1, rising within a query
    counts: Numbers  # (A,) right answers of each query, at least 1
    best_right: npt.NDArray[np.float32]  # (A,) score of the first right answer
    best_wrong: npt.NDArray[np.float32]  # (A,) score of the first wrong one; -inf where all are right
    left_out: int  # queries without any right answer
    gallery: int  # N without junk

    @property
    def starts(self) -> Numbers:
        """(A,) where each query's places begin."""
        return np.cumsum(self.counts) - self.counts


def answers_of(
    queries: Vectors, gallery: Vectors, query_ids: Ids, gallery_ids: Ids, *, same_camera: bool = True
) -> Answers:
    """Rank the whole gallery for each query by cosine, a block of queries at a time.

    `queries` is (Q, D) and `gallery` (N, D), both of unit rows. With `same_camera`, gallery rows of the query's person
    and camera are left out: finding somebody on the picture they were cut from is no find.

    Raises:
        EvaluationError: the shapes disagree, a vector is not finite, or a query shows nobody.
        NothingToAsk: no query has a right answer.
    """
    if queries.ndim != 2 or gallery.ndim != 2 or queries.shape[1] != gallery.shape[1]:
        raise EvaluationError(
            f"queries (Q, D) and gallery (N, D) need one D, got {queries.shape} and {gallery.shape}: "
            "embed both with one encoder"
        )
    rows = max(1, BLOCK_BYTES // max(1, 4 * len(gallery)))
    blocks = (queries[first : first + rows] @ gallery.T for first in range(0, len(queries), rows))
    return _collect(blocks, (len(queries), len(gallery)), query_ids, gallery_ids, same_camera)


def answers_by_similarity(
    similarities: Similarities, query_ids: Ids, gallery_ids: Ids, *, same_camera: bool = True
) -> Answers:
    """The same for similarities (Q, N) that are no cosines, such as re-ranked ones. Raises as `answers_of`."""
    return _collect([similarities], similarities.shape, query_ids, gallery_ids, same_camera)


def _collect(
    blocks: Iterable[Similarities], shape: tuple[int, ...], query_ids: Ids, gallery_ids: Ids, same_camera: bool
) -> Answers:
    if (len(query_ids), len(gallery_ids)) != shape:
        raise EvaluationError(
            f"every row needs its identity: {shape} rows of queries and gallery, "
            f"and identities of {(len(query_ids), len(gallery_ids))}"
        )
    if (query_ids.person <= 0).any():
        raise EvaluationError("a query must show a person (an id above 0), not junk or a distractor: leave those out")
    places: list[Numbers] = []
    right_scores, wrong_scores = [], []
    for query, scores in enumerate(_rows(blocks)):
        person, camera = int(query_ids.person[query]), int(query_ids.camera[query])
        right, wrong = _split(scores, gallery_ids, person, camera, same_camera)
        if len(right):
            places.append(_places(right, wrong))
            right_scores.append(right.max())
            wrong_scores.append(wrong.max(initial=-np.inf))
    if not places:
        raise NothingToAsk(
            f"none of {len(query_ids)} queries has a right answer among {len(gallery_ids)} of the gallery: the same "
            "person must be there, in the view of another camera"
        )
    return Answers(
        places=np.concatenate(places),
        counts=np.array([len(each) for each in places], np.int64),
        best_right=np.array(right_scores, np.float32),
        best_wrong=np.array(wrong_scores, np.float32),
        left_out=len(query_ids) - len(places),
        gallery=int((gallery_ids.person != JUNK).sum()),
    )


def _rows(blocks: Iterable[Similarities]) -> Iterator[npt.NDArray[np.float32]]:
    for block in blocks:
        if not np.isfinite(block).all():
            raise EvaluationError("a similarity is not finite, so nothing can be ranked: check the vectors")
        yield from block


def hidden_rows(gallery: Ids, person: int, camera: int, *, same_camera: bool) -> npt.NDArray[np.bool_]:
    """(N,) rows that are neither a right nor a wrong answer to a query: junk and, with `same_camera`, its own view."""
    junk: npt.NDArray[np.bool_] = gallery.person == JUNK
    return junk | ((gallery.person == person) & (gallery.camera == camera)) if same_camera else junk


def _split(
    scores: npt.NDArray[np.float32], gallery: Ids, person: int, camera: int, same_camera: bool
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The scores of right and of wrong answers to one query; junk and same-camera rows are neither."""
    of_person = gallery.person == person
    counted = ~hidden_rows(gallery, person, camera, same_camera=same_camera)
    return scores[of_person & counted], scores[~of_person & counted]


def _places(right: npt.NDArray[np.float32], wrong: npt.NDArray[np.float32]) -> Numbers:
    """Places from 1 of right scores among right and wrong, rising; a wrong one of equal score stands before."""
    rising = np.sort(right)
    # Wrong ones at or above each score, without sorting all of them: `rising` is short and the gallery long.
    below = np.searchsorted(rising, wrong, side="right")  # how many right ones each wrong one reaches or passes
    reached = np.bincount(below, minlength=len(rising) + 1)
    ahead = reached[::-1].cumsum()[::-1][1:]  # wrong ones that reach rising[i], i.e. with below > i
    return ahead[::-1] + np.arange(1, len(rising) + 1)
