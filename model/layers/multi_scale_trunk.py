"""M3D's trunk over time: a 2-D trunk with multi-scale layers inside of its blocks and residual attention after them."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from itertools import pairwise

import torch
from torch import Tensor, nn

from model.layers.block_parts import block_parts
from model.layers.frame_trunk import FrameTrunk
from model.layers.multi_scale_temporal import MultiScaleTemporal
from model.layers.residual_attention import ResidualAttention

ATTENDED = (1, 2, 3)  # stages, from the stem's 0, that residual attention follows


class MultiScaleTrunk(nn.Module):
    """(B, T, 3, H, W) -> (B, T', C, h, w): fresh, almost the trunk's maps; T' is T / 8, and at least 1.

    A `MultiScaleTemporal` stands in the stem, before its last module (what pools; in MobileNetV2 its first block), and
    in the first block of each of the four stages, behind the 3 x 3 (`block_parts`). Those of the last three halve
    time, as the first block's shortcut does, until one frame is left: with T = 8 they see 8, 8, 8, 4 and 2 frames. A
    layer that sees t frames has int(log2 t) scales, at most all `dilations`; of one frame there is none.
    `ResidualAttention` follows the first three of the four stages.

    Source: Li et al. (M3D), AAAI 2019, by their program, of ResNet-50 and T = 8; other trunks and T are ours.
    """

    def __init__(self, trunk: FrameTrunk, frames: int, *, dilations: Sequence[int], reduction: int) -> None:
        """`frames`: T, a power of two. dilations: of the scales. reduction: of the attention's channels."""
        super().__init__()
        self.trunk = trunk
        # Frames before each of the five stages, and after the last.
        self.times = (frames, frames, *(max(1, frames // part) for part in (1, 2, 4, 8)))
        self.scales = nn.ModuleList(
            MultiScaleTemporal(width, dilations[: before.bit_length() - 1], halve=after < before)
            for width, (before, after) in zip(_inner_widths(trunk), pairwise(self.times), strict=True)
        )
        self.attention = nn.ModuleDict(
            {str(n): ResidualAttention(trunk.channels[n], self.times[n + 1], reduction=reduction) for n in ATTENDED}
        )

    def forward(self, clips: Tensor) -> Tensor:
        """(B, T, 3, H, W), normalised, of the T that it was built for -> (B, T', C, h, w)."""
        stem, *stages = _stages(self.trunk)
        x = clips.flatten(0, 1)  # (F, 3, H, W), F = B T
        x = stem[-1](self._over_time(0, self.scales[0], stem[:-1](x)))
        for n, stage in enumerate(stages, start=1):
            x = stage[1:](self._first_block(n, stage[0], x))
            if n in ATTENDED:
                x = self._over_time(n + 1, self.attention[str(n)], x)
        return x.view(len(clips), -1, *x.shape[1:])

    def _first_block(self, n: int, block: nn.Module, x: Tensor) -> Tensor:
        """(F, C, h, w) -> (F', C', h', w') through the block that stage n begins with."""
        parts, scales = block_parts(block), self.scales[n]
        assert isinstance(scales, MultiScaleTemporal)
        out: Tensor = parts.outer(self._over_time(n, scales, parts.inner(x)))
        if parts.shortcut is not None:
            out = out + self._over_time(n, scales.averaged, parts.shortcut(x))
        last: Tensor = parts.last(out)
        return last

    def _over_time(self, n: int, layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """Frames before stage n -> what the layer makes of them as clips of (B, C, T, h, w), as frames again."""
        clips = x.reshape(-1, self.times[n], *x.shape[1:]).transpose(1, 2)
        return layer(clips).transpose(1, 2).flatten(0, 1)


def _stages(trunk: FrameTrunk) -> list[nn.Sequential]:
    return [stage for stage in trunk.stages if isinstance(stage, nn.Sequential)]


@torch.no_grad()
def _inner_widths(trunk: FrameTrunk) -> list[int]:
    """Channels where the five layers over time stand: a picture without numbers is sent through."""
    stem, *stages = _stages(deepcopy(trunk).to("meta").eval())
    x = stem[:-1](torch.empty(1, 3, 299, 299, device="meta"))  # a size that every trunk takes
    widths, x = [x.shape[1]], stem[-1](x)
    for stage in stages:
        widths.append(block_parts(stage[0]).inner(x).shape[1])
        x = stage(x)
    return widths
