"""Plain batch-hard triplets against their formula, row by row."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.losses.batch_hard import batch_hard_triplet
from tests.losses.literal import assert_float32_under_autocast, assert_same, gradient, normal, seeded, whole


def literal(features: Tensor, person: Tensor, margin: float | None) -> Tensor:
    losses = []
    for a in range(len(features)):
        distance = {n: (features[a] - features[n]).square().sum().sqrt() for n in range(len(features)) if n != a}
        same = [d for n, d in distance.items() if person[n] == person[a]]
        other = [d for n, d in distance.items() if person[n] != person[a]]
        if same and other:
            excess = max(same, key=Tensor.item) - min(other, key=Tensor.item)
            losses.append(torch.log1p(excess.exp()) if margin is None else torch.clamp(margin + excess, min=0))
    return sum(losses, start=features.new_zeros(())) / max(len(losses), 1)


@given(
    seed=st.integers(0, 2**16),
    rows=st.integers(1, 8),
    persons=st.integers(1, 4),
    margin=st.sampled_from([None, 0.0, 0.3, 5.0]),
)
@settings(max_examples=60, deadline=None)
def test_equals_its_formula(seed: int, rows: int, persons: int, margin: float | None) -> None:
    g = seeded(seed)
    person = whole(g, persons, rows)
    assert_same(
        lambda x: batch_hard_triplet(x, person, margin=margin),
        lambda x: literal(x, person, margin),
        [normal(g, rows, 3)],
    )


def test_does_not_make_unit_vectors() -> None:
    rows, person = torch.tensor([[1.0], [3.0], [4.0], [9.0]]), torch.tensor([0, 0, 1, 1])
    # Excesses of the four rows: 2 - 3, 2 - 1, 5 - 1, 5 - 6.
    assert batch_hard_triplet(rows, person, margin=0.5).item() == (0 + 1.5 + 4.5 + 0) / 4


@pytest.mark.parametrize("persons", [[1, 1, 1], [1, 2, 3]])
def test_is_exactly_nothing_without_triplets(persons: list[int]) -> None:
    rows = torch.randn(3, 4, requires_grad=True)
    loss = batch_hard_triplet(rows, torch.tensor(persons), margin=0.3)
    assert loss.item() == 0
    assert not gradient(loss, rows).any()


def test_has_a_finite_gradient_where_rows_coincide() -> None:
    rows = torch.ones(4, 3, requires_grad=True)
    loss = batch_hard_triplet(rows, torch.tensor([0, 0, 1, 1]), margin=None)
    assert loss.item() == pytest.approx(math.log(2))
    assert not gradient(loss, rows).any()


def test_is_float32_under_autocast() -> None:
    person = torch.tensor([0, 0, 1, 1])
    assert_float32_under_autocast(lambda x: batch_hard_triplet(x, person, margin=0.3), [normal(seeded(1), 4, 3)])
