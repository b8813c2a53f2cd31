"""The weighted binary cross-entropy against its formula, attribute by attribute."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.losses.errors import BadLossInput
from model.losses.weighted_bce import weighted_bce
from tests.losses.literal import assert_float32_under_autocast, assert_same, gradient, normal, seeded, whole


def literal(logits: Tensor, labels: Tensor, ratio: Tensor, sigma: float) -> Tensor:
    rows = []
    for row, known in zip(logits, labels, strict=True):
        total = row.new_zeros(())
        for i in range(len(row)):
            p, y, w = 1 / (1 + torch.exp(-row[i])), known[i].item(), ratio[i].item()
            total = total + math.exp((1 - w) / sigma**2) * y * torch.log(p)
            total = total + math.exp(w / sigma**2) * (1 - y) * torch.log(1 - p)
        rows.append(-total / len(row))
    return sum(rows, start=logits.new_zeros(())) / len(rows)


@given(
    seed=st.integers(0, 2**16),
    rows=st.integers(1, 5),
    attributes=st.integers(1, 6),
    sigma=st.sampled_from([0.5, 1.0, 3.0]),
)
@settings(max_examples=40, deadline=None)
def test_equals_its_formula(seed: int, rows: int, attributes: int, sigma: float) -> None:
    g = seeded(seed)
    labels, ratio = whole(g, 2, rows, attributes), normal(g, attributes).sigmoid()
    assert_same(
        lambda logits: weighted_bce(logits, labels, ratio, sigma=sigma),
        lambda logits: literal(logits, labels, ratio, sigma),
        [3 * normal(g, rows, attributes)],
    )


def test_the_rarer_answer_counts_for_more() -> None:
    undecided, present = torch.zeros(1, 1), torch.ones(1, 1)
    rare, common = torch.tensor([0.1]), torch.tensor([0.9])
    missed = weighted_bce(undecided, present, rare, sigma=0.5)
    assert missed.item() == pytest.approx(math.log(2) * math.exp(0.9 / 0.25))
    assert missed > weighted_bce(undecided, present, common, sigma=0.5)
    # What holds for a rare yes holds for a rare no.
    assert missed.item() == pytest.approx(weighted_bce(undecided, 0 * present, common, sigma=0.5).item())


def test_is_the_plain_cross_entropy_for_an_infinite_sigma() -> None:
    g = seeded(1)
    logits, labels = normal(g, 4, 3), whole(g, 2, 4, 3).double()
    got = weighted_bce(logits, labels, normal(g, 3).sigmoid(), sigma=math.inf)
    torch.testing.assert_close(got, F.binary_cross_entropy_with_logits(logits, labels))


def test_is_finite_however_sure_a_prediction_is() -> None:
    logits = torch.tensor([[1e4, -1e4]], requires_grad=True)
    loss = weighted_bce(logits, torch.tensor([[0, 1]]), torch.tensor([0.0, 1.0]), sigma=0.5)
    assert loss.isfinite() and gradient(loss, logits).isfinite().all()


def test_refuses_what_tells_of_other_attributes() -> None:
    with pytest.raises(BadLossInput, match=r"positive_ratio is \(A,\)"):
        weighted_bce(torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(1), sigma=0.5)
    with pytest.raises(BadLossInput, match=r"\(2, 1\)"):
        weighted_bce(torch.zeros(2, 3), torch.zeros(2, 1), torch.zeros(3), sigma=0.5)


def test_is_float32_under_autocast() -> None:
    g = seeded(2)
    labels, ratio = whole(g, 2, 4, 3), torch.tensor([0.1, 0.5, 0.9])
    assert_float32_under_autocast(lambda x: weighted_bce(x, labels, ratio, sigma=0.5), [normal(g, 4, 3)])
