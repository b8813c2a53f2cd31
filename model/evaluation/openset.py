"""Open-set search: how often a threshold lets a stranger through, and how often it loses somebody who is there.

Every query is asked twice. Once with the gallery as it is: a miss where no right answer reaches the threshold (FNIR).
Once as if the person were not in it: a false alarm where any other answer does (FPIR). These are the rates of NIST's
FRVT 1:N (NISTIR 8271) with no limit on the length of the list, and like those they rise with the size of the gallery.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.evaluation.answers import Answers

FPIR_PER_CENT = (0.1, 1.0, 10.0)  # the false-alarm rates whose thresholds are reported
_STEPS = 100
_ENOUGH = 1e-10

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Point:
    """One threshold on the cosine, and both error rates there, in per cent."""

    threshold: float
    fpir: float
    fnir: float


@dataclass(frozen=True, slots=True)
class OpenSet:
    """`calibration` is (midpoint, slope) of the logistic that turns a score into a confidence.

    The confidence is the chance that the first answer of a search is right, when half of the searches are for
    somebody who is in the gallery. At its midpoint it is 1/2: below this threshold an answer is more likely wrong than
    right, and `at_threshold` says what it costs to show nothing below. Both are None where right answers do not score
    higher than wrong ones.
    """

    calibration: tuple[float, float] | None
    at_threshold: Point | None
    equal: Point  # where both rates are (nearly) the same
    points: tuple[Point, ...]  # the lowest thresholds whose FPIR is at most 0.1, 1 and 10 per cent


def open_set(answers: Answers, fpir_per_cent: Sequence[float] = FPIR_PER_CENT) -> OpenSet:
    """Rates and calibration out of the best right and the best wrong score of each query."""
    right = np.sort(answers.best_right.astype(np.float64))
    wrong = np.sort(answers.best_wrong.astype(np.float64))
    calibration = fit_calibration(*_first_answers(answers))
    return OpenSet(
        calibration=calibration,
        at_threshold=None if calibration is None else _point(calibration[0], right, wrong),
        equal=_point(_equal_threshold(right, wrong), right, wrong),
        points=tuple(_point(_threshold_for(wrong, rate), right, wrong) for rate in fpir_per_cent),
    )


def fit_calibration(scores: npt.ArrayLike, right: npt.ArrayLike) -> tuple[float, float] | None:
    """(midpoint, slope) of the logistic of highest likelihood through scores and whether each answer was right.

    Platt's smoothed targets ("Probabilistic outputs for support vector machines", 1999, section 2.2) keep it finite
    where right and wrong do not overlap. None where there is only one kind, or scores do not rise with being right.
    """
    values, truth = np.asarray(scores, np.float64), np.asarray(right, np.bool_)
    n_right, n_wrong = int(truth.sum()), int((~truth).sum())
    spread = float(values.std()) if len(values) else 0.0
    if not n_right or not n_wrong or spread < 1e-9:
        return None
    centre = float(values.mean())
    targets = np.where(truth, (n_right + 1) / (n_right + 2), 1 / (n_wrong + 2))
    offset, slope = _logistic((values - centre) / spread, targets)
    if slope < 1e-9:
        return None
    return centre - spread * offset / slope, slope / spread


def _first_answers(answers: Answers) -> tuple[Values, npt.NDArray[np.bool_]]:
    """Score of the first answer of each search, and whether it is right: every query asked with its person in the
    gallery, and again without, where the first answer is the best wrong one (none, where all others were right)."""
    right, wrong = answers.best_right.astype(np.float64), answers.best_wrong.astype(np.float64)
    strangers = wrong[np.isfinite(wrong)]
    scores = np.concatenate([np.maximum(right, wrong), strangers])
    return scores, np.concatenate([right > wrong, np.zeros(len(strangers), np.bool_)])


def _logistic(values: Values, targets: Values) -> tuple[float, float]:
    """(offset, slope) that minimise the mean cross-entropy, by Newton steps that are halved until they help."""
    columns = np.stack([np.ones_like(values), values])  # 2 n
    place = np.zeros(2)
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-(place @ columns)))
        gradient = columns @ (chance - targets) / len(values)
        curvature = (columns * (chance * (1 - chance))) @ columns.T / len(values)
        step = np.linalg.solve(curvature + 1e-12 * np.eye(2), gradient)
        here = _cross_entropy(place @ columns, targets)
        while _cross_entropy((place - step) @ columns, targets) > here and np.abs(step).max() > _ENOUGH:
            step /= 2
        place = place - step
        if np.abs(step).max() <= _ENOUGH:
            break
    return float(place[0]), float(place[1])


def _cross_entropy(logits: Values, targets: Values) -> float:
    return float((np.logaddexp(0, logits) - targets * logits).mean())


def _point(threshold: float, right: Values, wrong: Values) -> Point:
    """`right` and `wrong` rise. An answer at the threshold is given."""
    alarms = 1 - np.searchsorted(wrong, threshold, side="left") / len(wrong)
    misses = np.searchsorted(right, threshold, side="left") / len(right)
    return Point(float(threshold), 100 * float(alarms), 100 * float(misses))


def _threshold_for(wrong: Values, per_cent: float) -> float:
    """The lowest threshold that at most `per_cent` of the strangers reach: just above the first one too many."""
    allowed = int(np.floor(len(wrong) * per_cent / 100 + 1e-9))
    if allowed >= len(wrong):
        return float(wrong[0]) if np.isfinite(wrong[0]) else -1.0
    blocked = wrong[len(wrong) - allowed - 1]
    # Scores are float32, so the next of these is the next score there can be.
    return float(np.nextafter(np.float32(blocked), np.float32(np.inf))) if np.isfinite(blocked) else -1.0


def _equal_threshold(right: Values, wrong: Values) -> float:
    """The score where FPIR, falling, and FNIR, rising, come closest; the lowest of equals."""
    candidates = np.unique(np.concatenate([right, wrong[np.isfinite(wrong)]]))
    alarms = 1 - np.searchsorted(wrong, candidates, side="left") / len(wrong)
    misses = np.searchsorted(right, candidates, side="left") / len(right)
    return float(candidates[np.argmin(np.abs(alarms - misses))])
