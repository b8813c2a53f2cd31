import pytest

from service.demo.scores import Ranking, average_precision, scored


@pytest.mark.parametrize(
    ("right", "n_relevant", "expected"),
    [
        ((True,), 1, 1.0),
        ((False, True), 1, 1 / 2),
        ((False, False, False, True), 1, 1 / 4),
        ((True, False, True), 2, (1 / 1 + 2 / 3) / 2),
        ((False, True, True, False, True), 3, (1 / 2 + 2 / 3 + 3 / 5) / 3),
        ((True, False), 2, 1 / 2),  # the other one was never found
        ((False, False), 1, 0.0),
        ((), 1, 0.0),
    ],
)
def test_average_precision_by_hand(right: tuple[bool, ...], n_relevant: int, expected: float) -> None:
    assert average_precision(right, n_relevant) == pytest.approx(expected)


@pytest.mark.parametrize(("right", "n_relevant"), [((), 0), ((True, True), 1)])
def test_more_found_than_there_is_cannot_be(right: tuple[bool, ...], n_relevant: int) -> None:
    with pytest.raises(ValueError, match="cannot come out of"):
        average_precision(right, n_relevant)


def test_scores_are_means_over_the_queries_that_had_something_to_find() -> None:
    scores = scored(
        [
            Ranking((True, False), 1),  # 1
            Ranking((False, True), 1),  # 1/2
            Ranking((False, False, False), 0),  # nothing to find: not counted
            Ranking((), 1),  # 0
            Ranking((True, True), 2),  # 1
        ]
    )
    assert scores is not None
    assert scores.n_queries == 4
    assert scores.rank1 == pytest.approx(2 / 4)
    assert scores.mean_ap == pytest.approx((1 + 0.5 + 0 + 1) / 4)


def test_without_anything_to_find_there_are_no_scores() -> None:
    assert scored([]) is None
    assert scored([Ranking((False,), 0)]) is None
