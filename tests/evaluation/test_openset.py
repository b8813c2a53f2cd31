"""Open-set rates at a threshold, and the logistic behind `confidence`: worked cases, and properties on drawn scores."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.evaluation.answers import Answers, answers_by_similarity
from model.evaluation.openset import Point, fit_calibration, open_set
from tests.evaluation.literal import ids

SCORE = st.integers(-100, 100).map(lambda value: value / 100)


def answers(right: list[float], wrong: list[float]) -> Answers:
    """One right answer a query; only its score and that of the best wrong one matter here."""
    ones = np.ones(len(right), np.int64)
    return Answers(ones, ones, np.array(right, np.float32), np.array(wrong, np.float32), 0, 2 * len(right))


def rates(point: Point) -> tuple[float, float]:
    return point.fpir, point.fnir


def test_rates_worked_by_hand() -> None:
    # Best right .9 .8 .6 .3, best wrong .7 .5 .4 .2 (four searches of each kind).
    # Equal error: at .6 one of four strangers (.7) is let through and one of four persons (.3) is lost: 25 and 25.
    # At most 25 % of strangers: any threshold above .5. At most 10 % of four: none may pass, so just above .7.
    found = open_set(answers([0.9, 0.3, 0.8, 0.6], [0.5, 0.7, 0.2, 0.4]), fpir_per_cent=(10, 25, 100))
    assert rates(found.equal) == (25, 25) and found.equal.threshold == np.float32(0.6)
    none, quarter, everybody = found.points
    assert rates(none) == (0, 50) and none.threshold == np.nextafter(np.float32(0.7), np.float32(1))
    assert rates(quarter) == (25, 25) and quarter.threshold == np.nextafter(np.float32(0.5), np.float32(1))
    assert rates(everybody) == (100, 0) and everybody.threshold == np.float32(0.2)


def test_the_same_through_a_ranking() -> None:
    # Junk (.99) and the query's own camera (.95) are neither a find nor a false alarm.
    gallery = ids([-1, 1, 1, 1, 2, 0], [2, 1, 2, 3, 1, 2])
    ranked = answers_by_similarity(np.array([[0.99, 0.95, 0.4, 0.6, 0.5, 0.3]], np.float32), ids([1], [1]), gallery)
    assert ranked.best_right.tolist() == [np.float32(0.6)] and ranked.best_wrong.tolist() == [np.float32(0.5)]


def test_a_query_whose_answers_are_all_right_never_raises_a_false_alarm() -> None:
    found = open_set(answers([0.9, 0.8], [-math.inf, 0.5]), fpir_per_cent=(50, 100))
    assert [rates(point) for point in found.points] == [(50, 0), (50, 0)]
    assert found.points[0].threshold == -1
    assert found.calibration is not None


def test_the_confidence_is_the_share_of_first_answers_that_are_right() -> None:
    # At each score the share of right answers is the logistic of midpoint .6 and slope 20: the fit must find it again.
    random = np.random.default_rng(0)
    scores = random.uniform(0.2, 0.9, 40_000)
    right = random.uniform(size=scores.size) < 1 / (1 + np.exp(-20 * (scores - 0.6)))
    calibration = fit_calibration(scores, right)
    assert calibration is not None
    midpoint, slope = calibration
    assert midpoint == pytest.approx(0.6, abs=0.005) and slope == pytest.approx(20, rel=0.05)


def test_at_the_midpoint_half_of_the_first_answers_are_right() -> None:
    random = np.random.default_rng(1)
    right, wrong = random.normal(0.75, 0.08, 3000), random.normal(0.55, 0.07, 3000)
    found = open_set(answers(right.tolist(), wrong.tolist()))
    assert found.calibration is not None and found.at_threshold is not None
    midpoint = found.calibration[0]
    assert found.at_threshold.threshold == midpoint
    firsts = np.concatenate([np.maximum(right, wrong), wrong])
    truth = np.concatenate([right > wrong, np.zeros(3000, bool)])
    near = np.abs(firsts - midpoint) < 0.02
    assert truth[near].mean() == pytest.approx(0.5, abs=0.08)
    assert 0 < found.at_threshold.fpir < found.at_threshold.fnir + 10 < 60


def test_scores_that_do_not_overlap_still_give_a_finite_slope() -> None:
    calibration = fit_calibration([0.9, 0.8, 0.95, 0.2, 0.3, 0.1], [1, 1, 1, 0, 0, 0])
    assert calibration is not None
    assert 0.3 < calibration[0] < 0.8 and 0 < calibration[1] < 1000


@pytest.mark.parametrize(
    ("scores", "right"),
    [
        ([], []),
        ([0.5, 0.6], [1, 1]),
        ([0.5, 0.6], [0, 0]),
        ([0.5] * 4, [0, 1, 0, 1]),
        ([0.1, 0.2, 0.8, 0.9], [1, 1, 0, 0]),
    ],
    ids=["nothing", "only right", "only wrong", "all alike", "the wrong way round"],
)
def test_where_scores_say_nothing_there_is_no_calibration(scores: list[float], right: list[int]) -> None:
    assert fit_calibration(scores, right) is None


@given(pairs=st.lists(st.tuples(SCORE, SCORE), min_size=1, max_size=60))
def test_rates_are_what_counting_says(pairs: list[tuple[float, float]]) -> None:
    asked = answers([right for right, _ in pairs], [wrong for _, wrong in pairs])
    found = open_set(asked)
    points = [found.equal, *found.points, *([found.at_threshold] if found.at_threshold else [])]
    for point in points:
        assert point.fpir == pytest.approx(100 * (asked.best_wrong >= point.threshold).mean())
        assert point.fnir == pytest.approx(100 * (asked.best_right < point.threshold).mean())
    for point, most in zip(found.points, (0.1, 1.0, 10.0), strict=True):
        assert point.fpir <= most
        lower = np.nextafter(np.float32(point.threshold), np.float32(-2))
        assert 100 * (asked.best_wrong >= lower).mean() > most  # and it is the lowest such threshold


@given(pairs=st.lists(st.tuples(SCORE, st.booleans()), max_size=60))
def test_a_calibration_is_finite_and_rises(pairs: list[tuple[float, bool]]) -> None:
    calibration = fit_calibration([score for score, _ in pairs], [right for _, right in pairs])
    if calibration is not None:
        assert all(map(math.isfinite, calibration)) and calibration[1] > 0
