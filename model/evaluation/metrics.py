"""Rank-k, mAP and mINP, as papers give them: in per cent, over the queries that have a right answer."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from model.evaluation.answers import (
    Answers,
    Ids,
    Numbers,
    Similarities,
    Vectors,
    answers_by_similarity,
    answers_of,
)

ApKind = Literal["precision at hits", "trapezoid"]


@dataclass(frozen=True, slots=True)
class Scores:
    """Per cent, but for the counts. `queries` are those that were scored; `left_out` had no right answer."""

    queries: int
    gallery: int  # without junk
    rank1: float
    rank5: float
    rank10: float
    rank20: float
    map: float
    minp: float
    ap: ApKind
    left_out: int = 0


def rank(
    queries: Vectors,
    gallery: Vectors,
    query_ids: Ids,
    gallery_ids: Ids,
    *,
    ap: ApKind = "precision at hits",
    same_camera: bool = True,
) -> Scores:
    """Scores of unit vectors (Q, D) against unit vectors (N, D), compared by cosine.

    Market's 3,368 x 15,913 take about a second, in blocks of 64 MiB.

    Raises:
        EvaluationError: see `model.evaluation.answers.answers_of`.
    """
    return scores_of(answers_of(queries, gallery, query_ids, gallery_ids, same_camera=same_camera), ap=ap)


def rank_by_similarity(
    similarities: Similarities,
    query_ids: Ids,
    gallery_ids: Ids,
    *,
    ap: ApKind = "precision at hits",
    same_camera: bool = True,
) -> Scores:
    """Scores of a whole matrix (Q, N), the larger the more alike: what re-ranking gives. Raises as `rank`."""
    return scores_of(answers_by_similarity(similarities, query_ids, gallery_ids, same_camera=same_camera), ap=ap)


def scores_of(answers: Answers, *, ap: ApKind = "precision at hits") -> Scores:
    """Mean over queries. CMC@k is the share of queries whose first right answer has a place of at most k.

    mINP (Ye et al., 2021, "Deep Learning for Person Re-identification: A Survey and Outlook", eq. 2) is the mean of
    the number of right answers over the place of the last one: how far down one has to look to find all of them.
    """
    first = answers.places[answers.starts]
    last = answers.places[answers.starts + answers.counts - 1]
    cmc = {k: _per_cent(first <= k) for k in (1, 5, 10, 20)}
    return Scores(
        queries=len(answers.counts),
        gallery=answers.gallery,
        rank1=cmc[1],
        rank5=cmc[5],
        rank10=cmc[10],
        rank20=cmc[20],
        map=_per_cent(average_precisions(answers, ap)),
        minp=_per_cent(answers.counts / last),
        ap=ap,
        left_out=answers.left_out,
    )


def average_precisions(answers: Answers, kind: ApKind) -> npt.NDArray[np.float64]:
    """(A,) the average precision of each query, 0-1, by one of the two definitions in circulation.

    "precision at hits": the mean of the precision at each right answer. "trapezoid": the mean of that and of the
    precision one place before, which is 1 before the first place (the official scripts of Market-1501 and MARS).
    """
    found = _found(answers)
    precision = found / answers.places
    if kind == "trapezoid":
        before = (found - 1) / np.maximum(answers.places - 1, 1)
        before[answers.places == 1] = 1
        precision = (precision + before) / 2
    means: npt.NDArray[np.float64] = np.add.reduceat(precision, answers.starts) / answers.counts
    return means


def _found(answers: Answers) -> Numbers:
    """(P,) how many right answers have been found at each place, its own included: 1, 2, ... within each query."""
    return np.arange(1, len(answers.places) + 1) - np.repeat(answers.starts, answers.counts)


def _per_cent(values: npt.NDArray[np.generic]) -> float:
    return 100 * float(values.mean(dtype=np.float64))
