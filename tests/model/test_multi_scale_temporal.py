"""The multi-scale layer over time against its formula, frame by frame."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from model.layers.multi_scale_temporal import MultiScaleTemporal
from tests.systems.learning import wake, without_gradient

C = 3


def drawn(seed: int, *dilations: int) -> MultiScaleTemporal:
    torch.manual_seed(seed)
    layer = MultiScaleTemporal(C, dilations).double()
    wake(layer)
    return layer


def clips(seed: int, frames: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, C, frames, 4, 2, generator=generator, dtype=torch.float64)


def literal(layer: MultiScaleTemporal, clip: Tensor) -> Tensor:
    """(B, C, T, h, w), frames outside the clip being 0."""
    added = clip.clone()
    for branch in layer.branches:
        assert isinstance(branch, nn.Conv3d)
        rate = branch.dilation[0]
        for t in range(clip.shape[2]):
            for i in (-1, 0, 1):
                seen = t + rate * i
                if 0 <= seen < clip.shape[2]:
                    for o in range(C):
                        for c in range(C):
                            added[:, o, t] += branch.weight[o, c, i + 1, 0, 0] * clip[:, c, seen]
    return added


@given(seed=st.integers(0, 2**16), frames=st.integers(1, 7), rates=st.lists(st.integers(1, 4), min_size=1, max_size=3))
@settings(max_examples=15, deadline=None)
def test_equals_its_formula(seed: int, frames: int, rates: list[int]) -> None:
    layer, x = drawn(seed, *rates), clips(seed, frames)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), literal(layer, x))


def test_a_fresh_layer_changes_nothing_and_learns_at_once() -> None:
    layer, x = MultiScaleTemporal(C, (1, 2, 3)), clips(0, 8).float()
    assert torch.equal(layer(x), x)
    layer(x).square().sum().backward()
    assert without_gradient(layer) == []


def test_scales_see_as_far_as_their_dilation_and_tell_the_order() -> None:
    layer, x = drawn(1, 1, 3), clips(1, 9)
    with torch.no_grad():
        changed = x.clone()
        changed[:, :, 4] += 1
        moved = (layer(changed) - layer(x)).abs().amax(dim=(0, 1, 3, 4)) > 1e-9
        assert not torch.allclose(layer(x.flip(2)), layer(x).flip(2), atol=1e-3)
    assert moved.nonzero().flatten().tolist() == [1, 3, 4, 5, 7]
