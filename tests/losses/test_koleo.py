"""KoLeo against its formula, row by row."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.losses.koleo import koleo
from tests.losses.literal import assert_float32_under_autocast, assert_same, gradient, normal, seeded, whole


def literal(features: Tensor, track: Tensor) -> Tensor:
    unit = [row / torch.sqrt((row * row).sum()) for row in features]
    terms = []
    for i in range(len(unit)):
        rest = [j for j in range(len(unit)) if j != i and (track[i] < 0 or track[i] != track[j])]
        if rest:
            nearest = max(rest, key=lambda j: float((unit[i] * unit[j]).sum().detach()))
            distance = torch.sqrt(((unit[i] - unit[nearest]) ** 2).sum())
            terms.append(-torch.log(distance + 1e-8))
    return sum(terms, start=features.new_zeros(())) / max(len(terms), 1)


@given(seed=st.integers(0, 2**16), rows=st.integers(1, 7), tracks=st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_equals_its_formula(seed: int, rows: int, tracks: int) -> None:
    g = seeded(seed)
    track = whole(g, tracks, rows) - 1  # -1: not known
    assert_same(lambda x: koleo(x, track), lambda x: literal(x, track), [normal(g, rows, 3)])


def test_does_not_push_a_track_apart() -> None:
    features = normal(seeded(0), 4, 3).requires_grad_()
    loss = koleo(features, torch.zeros(4, dtype=torch.int64))
    assert loss.item() == 0
    assert not gradient(loss, features).any()


@pytest.mark.parametrize("rows", [0, 1])
def test_is_exactly_nothing_without_a_neighbour(rows: int) -> None:
    features = torch.randn(rows, 3, requires_grad=True)
    loss = koleo(features, torch.arange(rows))
    assert loss.item() == 0
    assert not gradient(loss, features).any()


def test_rows_that_coincide_have_no_direction() -> None:
    features = torch.ones(2, 3, requires_grad=True)
    loss = koleo(features, torch.arange(2))
    assert loss.item() == pytest.approx(-math.log(1e-8))
    assert not gradient(loss, features).any()


def test_is_float32_under_autocast() -> None:
    assert_float32_under_autocast(lambda x: koleo(x, torch.arange(5)), [normal(seeded(1), 5, 3)])
