"""Blocks in parts: put together again, they are the blocks."""

import pytest
import torch

from model.layers.block_parts import block_parts
from model.layers.frame_trunk import FrameTrunk, TrunkName

# Behind the 3 x 3 of the first block of each stage; ResNet-18 in its first one; of Inception-v3 whole blocks.
WIDTHS = {
    "resnet50": (64, 128, 256, 512),
    "seresnet50": (64, 128, 256, 512),
    "legacy_seresnet50": (64, 128, 256, 512),
    "resnet18": (64, 128, 256, 512),
    "mobilenetv2": (96, 144, 192, 576),
    "inception_v3": (80, 256, 768, 1280),
}


@pytest.mark.parametrize("name", WIDTHS)
def test_parts_compute_what_the_block_does(name: TrunkName) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 96, 80)
    trunk = FrameTrunk(name, last_stride=2).eval()
    widths = []
    with torch.no_grad():
        x = trunk.stages[0](x)
        for stage in list(trunk.stages)[1:]:
            (first, *rest), kept = stage.children(), x.clone()
            parts = block_parts(first)
            out = parts.outer(parts.inner(x))
            out = parts.last(out if parts.shortcut is None else out + parts.shortcut(x))
            assert torch.equal(x, kept) and torch.equal(out, first(kept))
            widths.append(parts.inner(x).shape[1])
            for block in rest:
                out = block(out)
            x = out
    assert tuple(widths) == WIDTHS[name]
