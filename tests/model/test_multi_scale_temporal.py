"""The multi-scale layer over time against its formula, frame by frame."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from model.layers.multi_scale_temporal import MultiScaleTemporal
from tests.systems.learning import wake, without_gradient

C = 3


def drawn(seed: int, *dilations: int, halve: bool = False) -> MultiScaleTemporal:
    """With norms of any statistics, in evaluation."""
    torch.manual_seed(seed)
    layer = MultiScaleTemporal(C, dilations, halve=halve).double().eval()
    wake(layer)
    for norm in layer.modules():
        if isinstance(norm, nn.BatchNorm3d):
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            norm.running_mean, norm.running_var = torch.randn(C).double(), torch.rand(C).double() + 0.5
    return layer


def clips(seed: int, frames: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, C, frames, 4, 2, generator=generator, dtype=torch.float64)


def literal(layer: MultiScaleTemporal, clip: Tensor) -> Tensor:
    """(B, C, T, h, w), frames outside the clip being 0."""
    step = 2 if layer.halve else 1
    made = torch.stack([clip[:, :, t : t + step].mean(dim=2) for t in range(0, clip.shape[2], step)], dim=2)
    for branch in layer.branches:
        assert isinstance(branch, nn.Sequential)
        convolution, norm, _ = branch
        assert isinstance(convolution, nn.Conv3d) and isinstance(norm, nn.BatchNorm3d)
        assert norm.running_mean is not None and norm.running_var is not None
        rate, scale = convolution.dilation[0], norm.weight / (norm.running_var + 1e-5).sqrt()
        for at in range(made.shape[2]):
            for o in range(C):
                total = torch.zeros_like(clip[:, 0, 0])
                for i in (-1, 0, 1):
                    seen = at * step + rate * i
                    if 0 <= seen < clip.shape[2]:
                        total += sum(convolution.weight[o, c, i + 1, 0, 0] * clip[:, c, seen] for c in range(C))
                made[:, o, at] += ((total - norm.running_mean[o]) * scale[o] + norm.bias[o]).clamp(min=0)
    return made


@given(
    seed=st.integers(0, 2**16),
    pairs=st.integers(1, 4),
    rates=st.lists(st.integers(1, 4), max_size=3),
    halve=st.booleans(),
)
@settings(max_examples=15, deadline=None)
def test_equals_its_formula(seed: int, pairs: int, rates: list[int], halve: bool) -> None:
    layer, x = drawn(seed, *rates, halve=halve), clips(seed, 2 * pairs)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), literal(layer, x))


@pytest.mark.parametrize("halve", [False, True])
def test_a_fresh_layer_changes_almost_nothing_and_all_of_it_learns_at_once(halve: bool) -> None:
    """Bug of the program: kernels of 0 before norm and ReLU get no gradient, nor does the norm, and all stay as is."""
    torch.manual_seed(0)
    layer, x = MultiScaleTemporal(C, (1, 2, 3), halve=halve), clips(0, 8).float()
    made = layer(x)
    made.square().sum().backward()
    assert without_gradient(layer) == []
    assert 0 < float((made - layer.averaged(x)).detach().abs().max()) < 0.15


def test_scales_see_as_far_as_their_dilation_and_tell_the_order() -> None:
    layer, x = drawn(1, 1, 3), clips(1, 9)
    with torch.no_grad():
        changed = x.clone()
        changed[:, :, 4] += 1
        moved = (layer(changed) - layer(x)).abs().amax(dim=(0, 1, 3, 4)) > 1e-9
        assert not torch.allclose(layer(x.flip(2)), layer(x).flip(2), atol=1e-3)
    assert moved.nonzero().flatten().tolist() == [1, 3, 4, 5, 7]
