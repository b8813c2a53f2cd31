"""M3D: a 2-D trunk with multi-scale layers over time and residual attention, fused with a plain 2-D trunk.

Source: Li et al., "Multi-scale 3D Convolution Network for Video Based Person Re-Identification", AAAI 2019, of which
only the outline could be read: two streams; several M3D layers inserted into a 2-D CNN; residual attention layers whose
spatial-temporal masks are learned jointly; a separate 2-D spatial stream; both fused. Everything else is assumed:

- the layers' formulas (`MultiScaleTemporal`, `ResidualAttention`), and that one of each, in this order, follows blocks
  2, 3 and 4 of the trunk, blocks being counted from the stem's 1;
- ResNet-50 as published, pictures of 256 x 128, 8 frames;
- a stream's vector is the mean over frames and places; fused means: both as unit vectors, one after the other, so that
  neither outvotes the other;
- the loss is a cross-entropy for each stream, with a classifier of its own, both with weight 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.layers.frame_trunk import FrameTrunk, TrunkName
from model.layers.multi_scale_temporal import MultiScaleTemporal
from model.layers.residual_attention import ResidualAttention
from model.layers.temporal_pooling import spatial_average
from model.losses.precision import in_float32
from model.systems.bounds import Count, Counts, Frames, Pixels
from model.systems.system import Batch, System, frames_of


@dataclass(frozen=True, slots=True)
class M3DConfig:
    """All of it assumed: see the module."""

    trunk: TrunkName = "resnet50"  # of both streams
    last_stride: Literal[1, 2] = 2
    height: Pixels = 256
    width: Pixels = 128
    frames: Frames = 8
    blocks: tuple[int, ...] = (2, 3, 4)  # after which ones the layers over time stand, the stem being block 1
    dilations: Counts = (1, 2, 3)  # with 8 frames, all three reach frames of the clip on both sides
    attention_reduction: Count = 16

    def __post_init__(self) -> None:
        if not self.blocks or not set(self.blocks) <= {1, 2, 3, 4, 5}:
            raise ValueError(f"blocks has to name some of a trunk's blocks 1 to 5, not {self.blocks}: take (2, 3, 4)")


class M3D(System):
    """Two trunks: one that sees the clip, one that sees its frames. At first both give what a trunk alone gives.

    `frames` is what it trains on; it takes clips of any length. Once trained, the order of frames counts.
    """

    fixed = False

    def __init__(self, config: M3DConfig) -> None:
        super().__init__()
        self.config = config
        self.frames = config.frames
        self.trunk = FrameTrunk(config.trunk, last_stride=config.last_stride)
        self.spatial = FrameTrunk(config.trunk, last_stride=config.last_stride)
        self.dimension = 2 * self.trunk.channels[-1]
        self.over_time = nn.ModuleDict({str(block): self._layers(block) for block in config.blocks})

    def features(self, clips: Tensor) -> Tensor:
        """(B, T, 3, H, W) -> the two streams' unit vectors, one after the other, (B, 2C)."""
        return _fused(*self._streams(clips))

    def training_heads(self, n_persons: int) -> nn.Module:
        return M3DHeads(self.trunk.channels[-1], n_persons)

    def losses(self, batch: Batch, heads: nn.Module) -> Mapping[str, Tensor]:
        assert isinstance(heads, M3DHeads)
        temporal, spatial = self._streams(batch.clips)
        return {
            "temporal": F.cross_entropy(heads.temporal(temporal).float(), batch.person),
            "spatial": F.cross_entropy(heads.spatial(spatial).float(), batch.person),
        }

    def _layers(self, block: int) -> nn.Module:
        channels, config = self.trunk.channels[block - 1], self.config
        return nn.Sequential(
            MultiScaleTemporal(channels, config.dilations),
            ResidualAttention(channels, reduction=config.attention_reduction),
        )

    def _streams(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, 3, H, W) -> the vectors of the stream over time and of the spatial one, (B, C) each."""
        x = frames = frames_of(clips, self.config.height, self.config.width)
        shape = clips.shape[:2]
        for block, stage in enumerate(self.trunk.stages, start=1):
            x = stage(x)  # (B * T, C, h, w)
            if str(block) in self.over_time:
                clip = x.unflatten(0, shape).transpose(1, 2)  # (B, C, T, h, w)
                x = self.over_time[str(block)](clip).transpose(1, 2).flatten(0, 1)
        temporal, spatial = (
            spatial_average(maps.unflatten(0, shape)).mean(dim=1) for maps in (x, self.spatial(frames))
        )
        return temporal, spatial


class M3DHeads(nn.Module):
    """A classifier for each stream."""

    def __init__(self, channels: int, n_persons: int) -> None:
        super().__init__()
        self.temporal = nn.Linear(channels, n_persons)
        self.spatial = nn.Linear(channels, n_persons)


@in_float32
def _fused(temporal: Tensor, spatial: Tensor) -> Tensor:
    return torch.cat([F.normalize(temporal, dim=1), F.normalize(spatial, dim=1)], dim=1)
