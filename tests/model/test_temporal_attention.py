"""STCnet's temporal attention against its equations, place by place."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.layers.temporal_attention import temporal_attention
from tests.losses.literal import assert_float32_under_autocast, assert_same, normal, seeded


def patch(features: Tensor, y: int, x: int) -> list[Tensor]:
    """The 9C numbers about a place of (C, h, w)."""
    channels, height, width = features.shape
    numbers = []
    for c in range(channels):
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                inside = 0 <= y + dy < height and 0 <= x + dx < width
                numbers.append(features[c, y + dy, x + dx] if inside else features.new_zeros(()))
    return numbers


def cosine(a: list[Tensor], b: list[Tensor]) -> Tensor:
    dot, left, right = (a[0].new_zeros(()) for _ in range(3))
    for p, q in zip(a, b, strict=True):
        dot, left, right = dot + p * q, left + p * p, right + q * q
    return dot / torch.sqrt(left) / torch.sqrt(right)


def literal(current: Tensor, adjacent: Tensor) -> Tensor:
    """One frame, (C, h, w)."""
    channels, height, width = current.shape
    places = [(y, x) for y in range(height) for x in range(width)]
    rows = []
    for y, x in places:
        weights = [torch.exp(cosine(patch(current, y, x), patch(adjacent, *other))) for other in places]
        total = torch.stack(weights).sum()
        mixed = torch.zeros_like(adjacent[:, 0, 0])
        for weight, (v, u) in zip(weights, places, strict=True):
            mixed = mixed + weight / total * adjacent[:, v, u]
        rows.append(mixed)
    return torch.stack(rows, dim=1).view(channels, height, width)


@given(seed=st.integers(0, 2**16), height=st.integers(1, 3), width=st.integers(1, 3))
@settings(max_examples=8, deadline=None)
def test_equals_its_equations_and_so_does_its_gradient(seed: int, height: int, width: int) -> None:
    g = seeded(seed)
    said = normal(g, 2, 2, height, width)

    def of(function: Tensor) -> Tensor:
        return (function * said).sum()

    assert_same(
        lambda f, r: of(temporal_attention(f, r)),
        lambda f, r: of(torch.stack([literal(*pair) for pair in zip(f, r, strict=True)])),
        [normal(g, 2, 2, height, width), normal(g, 2, 2, height, width)],
    )


def test_each_place_is_a_mean_of_the_adjacent_frame_s() -> None:
    g = seeded(0)
    current, adjacent = normal(g, 3, 4, 8, 4), normal(g, 3, 4, 8, 4)
    got = temporal_attention(current, adjacent)
    assert got.shape == current.shape
    assert (got.amax((2, 3)) <= adjacent.amax((2, 3))).all() and (got.amin((2, 3)) >= adjacent.amin((2, 3))).all()
    same = adjacent[:, :, :1, :1].expand_as(adjacent)
    torch.testing.assert_close(temporal_attention(current, same), same)


def test_no_place_weighs_e_squared_times_as_much_as_another() -> None:
    """Without a temperature attention stays soft: the best place of L weighs at most e^2 / (e^2 + L - 1)."""
    g = seeded(1)
    current = normal(g, 1, 3, 6, 4)
    marks = torch.eye(24, dtype=torch.float64).view(1, 24, 6, 4)  # each place tells which it is
    weights = temporal_attention(torch.cat([current, marks], 1), torch.cat([current, marks], 1))[:, 3:]
    assert weights.sum(1).allclose(torch.ones(1, 6, 4, dtype=torch.float64))
    assert weights.max() <= math.e**2 / (math.e**2 + 23)
    # A place looks most like itself.
    assert torch.equal(weights.flatten(2)[0].argmax(0), torch.arange(24))


def test_blank_features_get_the_plain_mean_and_a_finite_gradient() -> None:
    blank = torch.zeros(1, 2, 3, 3, requires_grad=True)
    adjacent = torch.randn(1, 2, 3, 3, generator=seeded(2))
    got = temporal_attention(blank, adjacent)
    torch.testing.assert_close(got, adjacent.mean((2, 3), keepdim=True).expand_as(got))
    torch.autograd.backward(got.sum())
    assert blank.grad is not None and blank.grad.isfinite().all()


def test_is_float32_under_autocast() -> None:
    g = seeded(3)
    assert_float32_under_autocast(
        lambda f, r: temporal_attention(f, r).square().mean(), [normal(g, 2, 3, 4, 2), normal(g, 2, 3, 4, 2)]
    )
