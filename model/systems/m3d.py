"""M3D: a trunk over time with multi-scale layers and residual attention, fused with a plain 2-D trunk.

Source: Li et al., "Multi-scale 3D Convolution Network for Video Based Person Re-Identification", AAAI 2019, of which
only the outline could be read, and their program (ljn114514/M3D). The program's are the layers and where they stand
(`MultiScaleTrunk`), both heads, and how each stream is trained. As it is published, its layers over time and its masks
never get a gradient: `MultiScaleTemporal` and `ResidualAttention` say why, and how they begin here instead.

Neither tells, so assumed:

- fused means: the two streams' vectors as unit vectors, one after the other, so that neither outvotes the other;
- the spatial stream, which the program trains on pictures alone, goes on learning beside the other one from the frames
  of its clips, each on its own; both cross-entropies count 1;
- a last stride of 2: the program's two networks with attention have it, its last form of the others has 1, and so two
  vectors a clip, which its training cannot use;
- the first stage, the trunk on pictures, is a `baseline` of one frame: its classifier stands on the trunk's mean, so
  that the maps to 128 numbers are drawn with the layers over time; an epoch shows every picture once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.layers.frame_trunk import FrameTrunk, TrunkName
from model.layers.multi_scale_trunk import MultiScaleTrunk
from model.layers.temporal_pooling import spatial_average
from model.losses.precision import in_float32
from model.systems.bounds import Count, Counts, Frames, Part, Pixels
from model.systems.system import Batch, System, frames_of


@dataclass(frozen=True, slots=True)
class M3DConfig:
    """The program's numbers."""

    trunk: TrunkName = "resnet50"  # of both streams
    last_stride: Literal[1, 2] = 2
    height: Pixels = 256
    width: Pixels = 128
    frames: Frames = 8  # T; the weights depend on it, so no other number can be asked for
    dilations: Counts = (1, 2, 3)  # of the scales; a layer that sees t frames has the first int(log2 t)
    attention_reduction: Count = 16
    dimension: Count = 128  # of a stream's vector
    dropout: Part = 0.5

    def __post_init__(self) -> None:
        if self.frames < 2 or self.frames.bit_count() > 1:
            raise ValueError(
                f"M3D halves time, so that its clips have 2, 4, 8 or another power of two frames, not {self.frames}: "
                "set frames to one of them"
            )


class M3D(System):
    """Two trunks: one that sees the clip, one that sees its frames. The order of frames counts for the first."""

    fixed = True

    def __init__(self, config: M3DConfig) -> None:
        super().__init__()
        self.config = config
        self.frames = config.frames
        self.temporal = MultiScaleTrunk(
            FrameTrunk(config.trunk, last_stride=config.last_stride),
            config.frames,
            dilations=config.dilations,
            reduction=config.attention_reduction,
        )
        self.spatial = FrameTrunk(config.trunk, last_stride=config.last_stride)
        self.temporal_embed, self.spatial_embed = (
            _embedding(self.spatial.channels[-1], config.dimension) for _ in range(2)
        )
        self.dimension = 2 * config.dimension

    def features(self, clips: Tensor) -> Tensor:
        """Clips (B, T, 3, H, W) -> the two streams' unit vectors, one after the other, (B, 2D).

        Raises:
            ValueError: clips of another length, or frames of another size.
        """
        temporal, spatial = self._streams(clips)
        return _fused(temporal, spatial.mean(dim=1))

    def training_heads(self, n_persons: int) -> nn.Module:
        return M3DHeads(self.config.dimension, n_persons, self.config.dropout)

    def losses(self, batch: Batch, heads: nn.Module) -> Mapping[str, Tensor]:
        assert isinstance(heads, M3DHeads)
        temporal, spatial = self._streams(batch.clips)
        each = batch.person.repeat_interleave(self.frames)
        return {
            "temporal": F.cross_entropy(heads.temporal(temporal).float(), batch.person),
            "spatial": F.cross_entropy(heads.spatial(spatial.flatten(0, 1)).float(), each),
        }

    def _streams(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, 3, H, W) -> vectors of the clips by the stream over time, (B, D), and of each frame, (B, T, D)."""
        frames = frames_of(clips, self.config.height, self.config.width)
        if clips.shape[1] != self.frames:
            raise ValueError(
                f"this M3D takes clips of exactly {self.frames} frames and was given {clips.shape[1]}: "
                "cut longer clips into snippets, repeat frames of shorter ones"
            )
        temporal = self.temporal_embed(spatial_average(self.temporal(clips)).mean(dim=1))
        spatial = self.spatial_embed(spatial_average(self.spatial(frames).unflatten(0, clips.shape[:2])))
        return temporal, spatial


class M3DHeads(nn.Module):
    """A classifier for each stream."""

    def __init__(self, channels: int, n_persons: int, dropout: float) -> None:
        super().__init__()
        self.temporal, self.spatial = (_classifier(channels, n_persons, dropout) for _ in range(2))


def _embedding(channels: int, dimension: int) -> nn.Linear:
    layer = nn.Linear(channels, dimension)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out")
    nn.init.zeros_(layer.bias)
    return layer


def _classifier(channels: int, n_persons: int, dropout: float) -> nn.Sequential:
    last = nn.Linear(channels, n_persons)
    nn.init.normal_(last.weight, std=0.001)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.BatchNorm1d(channels), nn.ReLU(), nn.Dropout(dropout), last)


@in_float32
def _fused(temporal: Tensor, spatial: Tensor) -> Tensor:
    return torch.cat([F.normalize(temporal, dim=1), F.normalize(spatial, dim=1)], dim=1)
