"""Rank-1 and mAP over rankings as the service gives them: cut short, so a right one may not be found at all.

`model.evaluation.metrics` scores whole rankings, in which every right answer has a place.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Ranking:
    """One query's hits, best first, as right or wrong, and how many right ones there were to find."""

    right: tuple[bool, ...]
    n_relevant: int


@dataclass(frozen=True, slots=True)
class Scores:
    """Means over all queries that had something to find, in 0-1."""

    rank1: float
    mean_ap: float
    n_queries: int


def average_precision(right: Sequence[bool], n_relevant: int) -> float:
    """Mean, over all right ones there are, of the precision at each one's place; one not found counts 0.

    Raises:
        ValueError: nothing is relevant, or more were found than there are.
    """
    if n_relevant < max(1, sum(right)):
        raise ValueError(f"{sum(right)} right hits cannot come out of {n_relevant} relevant ones")
    places = np.flatnonzero(right) + 1
    found = np.arange(1, len(places) + 1)
    return float((found / places).sum() / n_relevant)


def scored(rankings: Iterable[Ranking]) -> Scores | None:
    """Scores over all rankings with something to find; None when there is none."""
    counted = [ranking for ranking in rankings if ranking.n_relevant > 0]
    if not counted:
        return None
    first = [ranking.right[:1] == (True,) for ranking in counted]
    precisions = [average_precision(ranking.right, ranking.n_relevant) for ranking in counted]
    return Scores(float(np.mean(first)), float(np.mean(precisions)), len(counted))
