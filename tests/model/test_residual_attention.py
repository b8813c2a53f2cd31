"""The residual attention layer against its formula, and that all of its mask learns."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.layers.residual_attention import ResidualAttention
from tests.systems.learning import wake, without_gradient


def layers(factor: nn.Sequential) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """First weights, the norm's gain and shift, last weights."""
    first, _, norm, last, *_ = factor
    assert isinstance(first, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d) and isinstance(last, nn.Conv2d)
    return first.weight, norm.weight, norm.bias, last.weight


def literal(factor: nn.Sequential, seen: Tensor) -> Tensor:
    first, gain, shift, last = layers(factor)
    inner = F.conv2d(seen, first, padding=first.shape[-1] // 2).clamp(min=0)
    mean = inner.mean(dim=(0, 2, 3), keepdim=True)
    var = (inner - mean).square().mean(dim=(0, 2, 3), keepdim=True)
    inner = (inner - mean) / (var + 1e-5).sqrt() * gain[:, None, None] + shift[:, None, None]
    return F.conv2d(inner, last)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_equals_its_formula(seed: int) -> None:
    torch.manual_seed(seed)
    layer, x = ResidualAttention(8, 4, reduction=2).double(), torch.randn(3, 8, 4, 5, 2).double()
    wake(layer)
    s = literal(layer.spatial, x.mean(dim=2))  # (B, 1, h, w)
    c = literal(layer.channel, x.mean(dim=(2, 3, 4))[:, :, None, None]).clamp(min=0)  # (B, C, 1, 1)
    t = literal(layer.temporal, x.mean(dim=(1, 3, 4))[:, :, None, None])  # (B, T, 1, 1)
    mask = torch.sigmoid(torch.einsum("bhw,bc,bt->bcthw", s[:, 0], c.flatten(1), t.flatten(1)))
    assert float(mask.detach().std()) > 0.01
    torch.testing.assert_close(layer(x), x * (0.5 + mask))


@pytest.mark.parametrize(("channels", "frames"), [(24, 1), (64, 2), (256, 8)])
@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_a_fresh_one_lets_x_through_and_learns(channels: int, frames: int, seed: int) -> None:
    """Bug of the program: three factors of 0, and each one's gradient is a product of the other two."""
    torch.manual_seed(seed)
    layer = ResidualAttention(channels, frames, reduction=16)
    x = torch.randn(4, channels, frames, 4, 2).abs()  # as behind a ReLU
    assert torch.equal(layer(x), x)
    last = layers(layer.temporal)[-1]
    layer(x).pow(3).mean().backward()
    assert last.grad is not None and bool(last.grad.any())
    with torch.no_grad():  # what begins at 0 learns first, then all else
        last -= 0.1 * last.grad
    layer.zero_grad()
    layer(x).pow(3).mean().backward()
    assert without_gradient(layer) == []


def test_narrow_maps_keep_two_channels_and_one_sees_what_the_other_does_not() -> None:
    first, *_ = layers(ResidualAttention(4, 2, reduction=16).channel)
    assert first.shape == (2, 4, 1, 1) and torch.equal(first[0], -first[1])
