"""The discrepancy of two sets against its formula, pair by pair."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.losses.mmd import mmd
from tests.losses.literal import assert_float32_under_autocast, assert_same, gradient, normal, seeded


def kernel(a: Tensor, b: Tensor, alpha: float) -> Tensor:
    return torch.exp(-((a - b) ** 2).sum() / (2 * alpha**2))


def literal(source: Tensor, target: Tensor, alpha: float) -> Tensor:
    total = source.new_zeros(())
    for a in source:
        for b in source:
            total = total + kernel(a, b, alpha) / len(source) ** 2
    for a in target:
        for b in target:
            total = total + kernel(a, b, alpha) / len(target) ** 2
    for a in source:
        for b in target:
            total = total - 2 * kernel(a, b, alpha) / (len(source) * len(target))
    return total


SIZES = st.integers(1, 5)


@given(seed=st.integers(0, 2**16), source=SIZES, target=SIZES, alpha=st.sampled_from([0.5, 1.0, 2.0]))
@settings(max_examples=40, deadline=None)
def test_equals_its_formula(seed: int, source: int, target: int, alpha: float) -> None:
    g = seeded(seed)
    assert_same(
        lambda s, t: mmd(s, t, alpha=alpha),
        lambda s, t: literal(s, t, alpha),
        [normal(g, source, 3) / 2, normal(g, target, 3) / 2],
    )


def test_alpha_is_the_paper_s() -> None:
    g = seeded(0)
    source, target = normal(g, 3, 2), normal(g, 4, 2)
    torch.testing.assert_close(mmd(source, target), literal(source, target, 0.5))


@given(seed=st.integers(0, 2**16), source=SIZES, target=SIZES)
@settings(max_examples=25, deadline=None)
def test_is_never_negative_and_asks_no_order(seed: int, source: int, target: int) -> None:
    g = seeded(seed)
    s, t = normal(g, source, 3), normal(g, target, 3)
    loss = mmd(s, t)
    assert loss >= -1e-12
    torch.testing.assert_close(loss, mmd(t, s))
    torch.testing.assert_close(loss, mmd(s.flip(0), t))


def test_is_nothing_for_equal_sets_and_without_rows() -> None:
    rows = normal(seeded(1), 4, 3).requires_grad_()
    assert mmd(rows, rows.detach().flip(0)).item() == pytest.approx(0, abs=1e-12)
    assert mmd(rows, rows[:0]).item() == 0
    assert not gradient(mmd(rows, rows[:0]), rows).any()


def test_sets_that_lie_apart_are_drawn_together() -> None:
    near, far = torch.zeros(3, 2, requires_grad=True), torch.full((3, 2), 0.4)
    assert mmd(near, far).item() > mmd(near, far / 2).item() > 0
    assert (gradient(mmd(near, far), near) < 0).all()  # a step down the gradient goes towards `far`


def test_is_float32_under_autocast() -> None:
    g = seeded(1)
    assert_float32_under_autocast(mmd, [normal(g, 4, 3), normal(g, 5, 3)])
