"""The verification loss against its definition, pair by pair."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.losses.verification import balanced_verification
from tests.losses.literal import assert_float32_under_autocast, assert_same, gradient, normal, seeded, whole


def literal(logits: Tensor, same: list[bool], rate: float) -> Tensor:
    hits, misses = [], []
    for (two, one), truth in zip(logits, same, strict=True):
        p = torch.exp(one) / (torch.exp(one) + torch.exp(two))
        if truth:
            hits.append(-torch.log(p))
        else:
            misses.append(-torch.log(1 - p))
    if not hits and not misses:
        return logits.sum() * 0
    if not hits or not misses or rate == 0:
        kind = hits or misses
        return sum(kind, start=logits.new_zeros(())) / len(kind)
    hit = sum(hits, start=logits.new_zeros(())) / len(hits)
    return (hit + rate * sum(misses, start=logits.new_zeros(())) / len(misses)) / (1 + rate)


@given(seed=st.integers(0, 2**16), pairs=st.integers(0, 8), rate=st.sampled_from([1.0, 3.0]))
@settings(max_examples=40, deadline=None)
def test_equals_its_definition(seed: int, pairs: int, rate: float) -> None:
    g = seeded(seed)
    same = whole(g, 2, pairs).bool()
    assert_same(
        lambda x: balanced_verification(x, same, negative_rate=rate),
        lambda x: literal(x, same.tolist(), rate),
        [normal(g, pairs, 2)],
    )


def test_more_negatives_weigh_no_more() -> None:
    logits = normal(seeded(0), 2, 2)
    few = balanced_verification(logits, torch.tensor([True, False]), negative_rate=3)
    many = torch.cat([logits[:1], logits[1:].expand(9, 2)])
    same = torch.tensor([True] + 9 * [False])
    torch.testing.assert_close(balanced_verification(many, same, negative_rate=3), few)


def test_pairs_may_stand_in_a_square() -> None:
    g = seeded(1)
    logits, same = normal(g, 3, 3, 2), whole(g, 2, 3, 3).bool()
    flat = balanced_verification(logits.flatten(0, 1), same.flatten(), negative_rate=3)
    torch.testing.assert_close(balanced_verification(logits, same, negative_rate=3), flat)


@pytest.mark.parametrize("pairs", [0, 2])
def test_is_nothing_where_nothing_counts(pairs: int) -> None:
    logits = torch.ones(pairs, 2, requires_grad=True)
    loss = balanced_verification(logits, torch.zeros(pairs, dtype=torch.bool), negative_rate=0)
    assert loss.item() == 0
    assert not gradient(loss, logits).any()


def test_is_float32_under_autocast() -> None:
    same = torch.tensor([True, False, False])
    assert_float32_under_autocast(lambda x: balanced_verification(x, same, negative_rate=3), [normal(seeded(2), 3, 2)])
