"""The tables of a study: what it found, and what is claimed of it."""

from model.study.config import Claim
from model.study.results import Result
from model.study.table import as_table, claims_table

CLAIM = Claim(says="b is better", variant="b", over="a", test="market1501 i2i")


def found(variant: str, seed: int, rank1: float, mean: float, where: str = "") -> Result:
    return Result(variant, seed, "market1501", "i2i", rank1, mean, 900_000, where)


def test_the_table_has_mean_and_spread_where_there_are_seeds() -> None:
    rows = [Result("a", seed, "market1501", "i2i", rank1, 50.0, 1_640_000) for seed, rank1 in ((1, 60.0), (2, 64.0))]
    table = as_table(
        [*rows, Result("b", 1, "market1501", "i2i", 70.0, 55.0, 900_000)], {"a": 30.0, "b": 7.4}
    ).splitlines()
    assert table == [
        "| variant | market1501 i2i | parameters | ms a clip |",
        "|---|---|---|---|",
        "| a | 62.0 ± 2.8 / 50.0 ± 0.0 | 1.6 M | 30 |",
        "| b | 70.0 / 55.0 | 0.9 M | 7 |",
    ]


def test_the_paper_s_figures_stand_beside_in_a_column_of_their_own() -> None:
    rows = [Result(name, 1, "market1501", "v2v", 70.0, 55.0, 900_000) for name in ("a", "b")]
    assert as_table(rows, {"a": 7.4, "b": 7.0}, {"b": "88.5 / 82.3"}).splitlines() == [
        "| variant | market1501 v2v | parameters | ms a clip | paper, on MARS |",
        "|---|---|---|---|---|",
        "| a | 70.0 / 55.0 | 0.9 M | 7 |  |",
        "| b | 70.0 / 55.0 | 0.9 M | 7 | 88.5 / 82.3 |",
    ]


def test_a_claim_is_asked_of_equal_seeds_and_appears_where_both_rates_are_higher() -> None:
    """The differences' spread is theirs, not that of the rates: with seed 3 both are 20 higher."""
    a = [found("a", 1, 50.0, 40.0), found("a", 2, 52.0, 40.0), found("a", 3, 70.0, 60.0), found("a", 4, 99.0, 99.0)]
    b = [found("b", 3, 73.0, 63.0), found("b", 1, 54.0, 42.0), found("b", 2, 54.0, 39.0)]
    assert claims_table([([*a, *b], [CLAIM])]).splitlines() == [
        "| claim | asked of | by | with | without | difference | appears |",
        "|---|---|---|---|---|---|---|",
        "| b is better | b, a | market1501 i2i | 60.3 ± 11.0 / 48.0 ± 13.1 | 57.3 ± 11.0 / 46.7 ± 11.5 | "
        "+3.0 ± 1.0 / +1.3 ± 2.1 | 2 of 3 |",
    ]


def test_equal_rates_are_no_gain() -> None:
    row = claims_table([([found("a", 1, 50.0, 40.0), found("b", 1, 50.0, 41.0)], [CLAIM])]).splitlines()[-1]
    assert row.endswith("| 50.0 / 41.0 | 50.0 / 40.0 | +0.0 / +1.0 | 0 of 1 |")


def test_what_was_not_found_is_not_asked() -> None:
    """A part of a study (`--only`, `--seed`) has no rows, or fewer; nor do other questions answer in its place."""
    one = [found("a", 1, 50.0, 40.0), found("b", 2, 60.0, 50.0), found("b", 1, 60.0, 50.0, "fault=band")]
    assert claims_table([(one, [CLAIM]), ([], [CLAIM])]) == ""
    assert len(claims_table([(one, [CLAIM]), ([*one, found("b", 1, 60.0, 50.0)], [CLAIM])]).splitlines()) == 3
