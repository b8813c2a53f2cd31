"""Schedules: where they begin, turn and end."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.training.schedules import cosine_between, ema_decay, warmup_cosine, warmup_steps


def test_warm_up_rises_in_equal_steps_to_1_and_the_cosine_falls_from_there() -> None:
    factors = [warmup_cosine(step, 12, warmup=4, last=0.1) for step in range(13)]
    assert factors[:5] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
    assert factors[8] == pytest.approx(0.55)  # half way: the mean of 1 and 0.1
    assert factors[12] == pytest.approx(0.1)


@given(steps=st.integers(1, 1000), warmup=st.integers(0, 50), last=st.floats(0, 1))
def test_it_never_leaves_its_bounds_and_falls_after_the_warm_up(steps: int, warmup: int, last: float) -> None:
    factors = [warmup_cosine(step, steps, warmup=warmup, last=last) for step in range(steps + 1)]
    assert all(0 <= factor <= 1 + 1e-9 for factor in factors)
    after = factors[warmup:]
    assert all(later <= earlier + 1e-12 for earlier, later in itertools.pairwise(after))


def test_cosine_between_two_values() -> None:
    assert [cosine_between(step, 4, 0.9, 1.0) for step in (0, 2, 4, 9)] == pytest.approx([0.9, 0.95, 1.0, 1.0])


def test_an_average_forgets_its_first_steps_sooner() -> None:
    assert [ema_decay(step, 0.99) for step in (0, 8, 10_000)] == pytest.approx([0.1, 0.5, 0.99])


def test_steps_take_the_rate_down_at_each_milestone() -> None:
    rates = [warmup_steps(step, 10, warmup=2, milestones=(0.5, 0.8)) for step in range(10)]
    assert rates == pytest.approx([0.5, 1, 1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01])
    assert warmup_steps(0, 10, warmup=0, milestones=(0.5,)) == 1
    assert warmup_steps(9, 10, warmup=0, milestones=(1.0,)) == 1  # never falls
