"""The residual attention layer against its formula, place by place."""

import itertools
import math

import torch
from torch import Tensor

from model.layers.residual_attention import ResidualAttention
from tests.systems.learning import wake, without_gradient

C, INNER = 4, 2


def drawn(seed: int) -> ResidualAttention:
    torch.manual_seed(seed)
    layer = ResidualAttention(C, reduction=C // INNER).double()
    wake(layer)
    return layer


def clip(seed: int) -> Tensor:
    return torch.randn(1, C, 3, 4, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def literal(layer: ResidualAttention, x: Tensor) -> Tensor:
    (_, _, frames, height, width), reduce, mask = x.shape, layer.reduce, layer.mask
    assert reduce.bias is not None and mask.bias is not None
    inner = torch.zeros(INNER, frames + 2, height + 2, width + 2, dtype=x.dtype)  # 0 around the clip
    places = list(itertools.product(range(frames), range(height), range(width)))
    for t, h, w in places:
        for n in range(INNER):
            total = sum(reduce.weight[n, c, 0, 0, 0] * x[0, c, t, h, w] for c in range(C)) + reduce.bias[n]
            inner[n, t + 1, h + 1, w + 1] = max(total, 0 * total)
    y = x.clone()
    for t, h, w in places:
        seen = mask.weight[0] * inner[:, t : t + 3, h : h + 3, w : w + 3]
        y[0, :, t, h, w] *= 1 + math.tanh(seen.sum() + mask.bias[0])
    return y


def test_equals_its_formula() -> None:
    for seed in range(3):
        layer, x = drawn(seed), clip(seed)
        with torch.no_grad():
            torch.testing.assert_close(layer(x), literal(layer, x))


def test_a_fresh_layer_changes_nothing_and_its_mask_learns_at_once() -> None:
    layer, x = ResidualAttention(C, reduction=2), clip(0).float()
    assert torch.equal(layer(x), x)
    layer(x).square().sum().backward()
    assert without_gradient(layer.mask) == []


def test_once_drawn_every_parameter_has_a_gradient() -> None:
    layer = drawn(1)
    layer(clip(1)).square().sum().backward()
    assert without_gradient(layer) == []


def test_one_mask_for_all_channels_neither_blinds_nor_doubles_more_than_wholly() -> None:
    layer, x = drawn(2), clip(2)
    with torch.no_grad():
        layer.mask.weight.mul_(100)
        ratio = layer(x) / x
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))
    assert bool(((ratio >= -1e-9) & (ratio <= 2 + 1e-9)).all())


def test_narrow_maps_keep_a_channel() -> None:
    assert ResidualAttention(4, reduction=16).reduce.out_channels == 1
