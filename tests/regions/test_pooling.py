"""Attention pooling over regions against a literal reading, and its gradients."""

import math

import pytest
import torch
from torch import Tensor

from model.regions.pooling import RegionPool, pool_regions, region_attention


def drawn(shape: tuple[int, ...], seed: int = 0, *, positive: bool = False) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator) if positive else torch.randn(shape, generator=generator)


def test_against_a_literal_reading() -> None:
    tokens, weights, query = drawn((2, 6, 5)), drawn((2, 3, 6), 1, positive=True), drawn((5,), 2)
    weights[0, 1, :4] = 0
    features, visible = pool_regions(tokens, weights, query)
    assert visible.all() and features.shape == (2, 3, 5)
    for f in range(2):
        for r in range(3):
            scores = [float(token @ query) / math.sqrt(5) for token in tokens[f]]
            parts = [float(weights[f, r, i]) * math.exp(score) for i, score in enumerate(scores)]
            expected = sum(part / sum(parts) * token for part, token in zip(parts, tokens[f], strict=True))
            assert torch.allclose(features[f, r], torch.as_tensor(expected), atol=1e-5)


def test_at_first_it_is_the_weighted_mean() -> None:
    tokens, weights = drawn((2, 6, 5)), drawn((2, 3, 6), 1, positive=True)
    features, _ = RegionPool(5)(tokens, weights)
    assert torch.allclose(features, weights @ tokens / weights.sum(-1, keepdim=True), atol=1e-6)
    scaled, _ = RegionPool(5)(tokens, 7 * weights)
    assert torch.allclose(features, scaled, atol=1e-6)


def test_patches_outside_have_no_say_and_empty_regions_are_flagged() -> None:
    tokens, weights = drawn((1, 6, 5)), torch.zeros(1, 2, 6)
    weights[0, 0, 2] = 1e-3
    features, visible = pool_regions(tokens, weights, drawn((5,), 2))
    assert visible.tolist() == [[True, False]]
    assert torch.allclose(features[0, 0], tokens[0, 2], atol=1e-6) and not features[0, 1].any()
    attention, _ = region_attention(tokens, weights, drawn((5,), 2))
    assert attention.sum(dim=-1).tolist() == [[1, 0]]


def test_gradients_are_right_and_finite_with_empty_regions() -> None:
    tokens = drawn((2, 4, 3)).double().requires_grad_()
    query = drawn((3,), 2).double().requires_grad_()
    weights = drawn((2, 3, 4), 1, positive=True).double()
    weights[0, 1], weights[1, 2, :2] = 0, 0
    assert torch.autograd.gradcheck(lambda t, q: pool_regions(t, weights, q)[0], (tokens, query))
    pool = RegionPool(3)
    pool(tokens.float(), weights)[0].pow(2).sum().backward()
    assert pool.query.grad is not None and torch.isfinite(pool.query.grad).all() and pool.query.grad.any()
    assert tokens.grad is not None and torch.isfinite(tokens.grad).all()


def test_weights_pass_gradients_too() -> None:
    tokens, query = drawn((1, 4, 3)).double(), drawn((3,), 2).double()
    weights = (0.1 + drawn((1, 2, 4), 1, positive=True)).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda w: pool_regions(tokens, w, query)[0], (weights,))


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_is_pooled_in_float32(kind: torch.dtype) -> None:
    tokens, weights, query = drawn((2, 6, 5)).to(kind), drawn((2, 3, 6), 1, positive=True), drawn((5,), 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features, _ = pool_regions(tokens, weights, query)
    exact, _ = pool_regions(tokens.float(), weights, query)
    assert features.dtype == torch.float32 and torch.equal(features, exact)
