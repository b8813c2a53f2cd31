"""The identity loss against its formula, row by row."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.losses.identity import identity_loss
from tests.losses.literal import assert_float32_under_autocast, assert_same, gradient, normal, seeded, whole


def literal(logits: Tensor, person: Tensor, domain_of_person: Tensor, domain: Tensor, smoothing: float) -> Tensor:
    total = logits.new_zeros(())
    for i in range(len(logits)):
        own = [c for c in range(len(domain_of_person)) if domain_of_person[c] == domain[i]]
        norm = torch.log(sum((torch.exp(logits[i, c]) for c in own), start=logits.new_zeros(())))
        for c in own:
            target = smoothing / len(own) + (1 - smoothing if c == person[i] else 0)
            total = total - target * (logits[i, c] - norm)
    return total / len(logits)


@given(seed=st.integers(0, 2**16), rows=st.integers(1, 6), domains=st.integers(1, 3), smoothing=st.floats(0, 0.9))
@settings(max_examples=40, deadline=None)
def test_equals_its_formula(seed: int, rows: int, domains: int, smoothing: float) -> None:
    g = seeded(seed)
    domain_of_person = torch.cat([torch.arange(domains), whole(g, domains, 5)])
    person = whole(g, len(domain_of_person), rows)
    labels = (person, domain_of_person, domain_of_person[person], smoothing)
    logits = 3 * normal(g, rows, len(domain_of_person))
    assert_same(lambda x: identity_loss(x, *labels), lambda x: literal(x, *labels), [logits])


def test_is_the_ordinary_loss_for_one_data_set() -> None:
    g = seeded(0)
    logits, person = normal(g, 4, 7), whole(g, 7, 4)
    none = torch.zeros(7, dtype=torch.int64)
    assert_same(
        lambda x: identity_loss(x, person, none, none[:4]),
        lambda x: F.cross_entropy(x, person, label_smoothing=0.1),
        [logits],
    )


def test_a_row_leaves_other_data_sets_alone() -> None:
    domain_of_person = torch.tensor([0, 1, 0, 1, 1])
    logits = torch.tensor([[1.0, 1e30, -2, torch.inf, -1e30]], requires_grad=True)
    loss = identity_loss(logits, torch.tensor([0]), domain_of_person, torch.tensor([0]))
    slope = gradient(loss, logits)
    assert slope[0, [1, 3, 4]].tolist() == [0, 0, 0]
    assert bool(slope.isfinite().all())


def test_a_data_set_of_one_person_has_nothing_to_tell() -> None:
    logits = torch.tensor([[4.0, 9, 1]], requires_grad=True)
    loss = identity_loss(logits, torch.tensor([1]), torch.tensor([0, 1, 0]), torch.tensor([1]))
    assert loss.item() == 0
    assert not gradient(loss, logits).any()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_person_of_another_data_set_is_infinitely_wrong(smoothing: float) -> None:
    loss = identity_loss(torch.zeros(1, 2), torch.tensor([0]), torch.tensor([0, 1]), torch.tensor([1]), smoothing)
    assert loss.item() == math.inf


def test_is_float32_under_autocast() -> None:
    g = seeded(1)
    person, domain = torch.tensor([0, 3, 2]), torch.tensor([0, 0, 1, 1])
    assert_float32_under_autocast(lambda x: identity_loss(x, person, domain, domain[person]), [normal(g, 3, 4)])
