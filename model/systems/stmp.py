"""STMP: a recurrent unit refines each frame's map by the frames before, and 3-D convolutions read the refined clip.

Source: Liu et al., "Spatial and Temporal Mutual Promotion for Video-based Person Re-identification", AAAI 2019, by
their program (yolomax/person-reid-lib), which tells all that is here. Otherwise than there:

- the auxiliary branch of Inception-v3 is drawn anew, where the program's begins with the published weights;
- of other trunks, and of maps too small for that branch, the auxiliary classifier is one linear map of their mean;
- the classifier's first map has no bias, as the norm after it would take it off.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.inception import InceptionAux

from model.layers.conv3d import Conv3d
from model.layers.frame_trunk import FrameTrunk, TrunkName
from model.layers.map_sizes import map_sizes
from model.layers.refining_unit import RefiningUnit
from model.losses.batch_hard import batch_hard_triplet
from model.systems.bounds import Count, Frames, Part, Pixels, Weight
from model.systems.system import Batch, ShortClips, System, begun_again, frames_of

AUXILIARY_SIDE = 17  # of a map, at least: Inception's branch pools it to 5 x 5, and reads that with a kernel as large


@dataclass(frozen=True, slots=True)
class STMPConfig:
    """The program's own numbers; with them a clip has maps of 8 x 8, and so 8 part vectors."""

    trunk: TrunkName = "inception_v3"
    last_stride: Literal[1, 2] = 2
    height: Pixels = 299
    width: Pixels = 299
    frames: Frames = 8
    gate_channels: Count = 256  # of the two differences, before the gates
    spatial_hidden: Count = 128  # of the gate over places
    dimension: Count = 256  # of a clip's vector, and of the 3-D convolutions
    classifier_hidden: Count = 512
    classifier_slope: Weight = 0.1  # of its leaky ReLU
    classifier_dropout: Part = 0.5
    margin: Weight = 0.4  # of both triplet losses
    # Clips of fewer than T frames. A small STMP found 45.4 / 21.0 of 40 persons of Market-1501 by pictures (I2V) as
    # they are, as the program shows them, and 71.3 / 62.7 with maps begun again.
    short: ShortClips = "again"


class STMP(System):
    """A trunk, the refining unit on its last map, a 3-D head for the clip, and vectors of horizontal parts.

    `frames` is what the paper trains on; it takes clips of any length, and the program shows it a whole track at once.
    The order of frames counts. The 3-D convolution sees zeros beyond a clip, so that a picture would meet a third of
    its weights: maps of a clip of fewer than T frames begin again, unless a configuration has them as they are.
    """

    fixed = False

    def __init__(self, config: STMPConfig) -> None:
        super().__init__()
        self.config = config
        self.frames = config.frames
        self.dimension = config.dimension
        self.trunk = FrameTrunk(config.trunk, last_stride=config.last_stride)
        channels = self.trunk.channels[-1]
        *_, self.auxiliary_size, (h, w) = map_sizes(self.trunk, config.height, config.width)
        self.refine = RefiningUnit(
            channels, h, w, gate_channels=config.gate_channels, spatial_hidden=config.spatial_hidden
        )
        self.video = nn.Sequential(
            Conv3d(channels, config.dimension, kernel_size=1, bias=False),
            nn.BatchNorm3d(config.dimension),
            nn.ReLU(),
            Conv3d(config.dimension, config.dimension, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm3d(config.dimension),
            nn.ReLU(),
        )

    def features(self, clips: Tensor) -> Tensor:
        """(B, T, 3, H, W) -> the vectors of the video head, (B, D)."""
        return self._read(clips).video

    def parts(self, clips: Tensor) -> Tensor:
        """(B, T, 3, H, W) -> a vector for each row of the map, from the top down, (B, h, C)."""
        return self._read(clips).parts

    def training_heads(self, n_persons: int) -> nn.Module:
        return STMPHeads(self.config, self.trunk.channels[3], self.auxiliary_size, n_persons)

    def losses(self, batch: Batch, heads: nn.Module) -> Mapping[str, Tensor]:
        assert isinstance(heads, STMPHeads)
        seen, margin = self._read(batch.clips), self.config.margin
        parts = [batch_hard_triplet(part, batch.person, margin=margin) for part in seen.parts.unbind(dim=1)]
        return {
            "identity": F.cross_entropy(heads.identity(seen.video).float(), batch.person),
            "auxiliary": F.cross_entropy(heads.auxiliary(seen.auxiliary).float(), batch.person),
            "triplet": batch_hard_triplet(seen.video, batch.person, margin=margin),
            "parts": torch.stack(parts).mean(),
        }

    def _read(self, clips: Tensor) -> "_Read":
        frames = frames_of(clips, self.config.height, self.config.width)
        for stage in self.trunk.stages[:4]:
            frames = stage(frames)
        last = self.trunk.stages[4](frames)  # (B * T, C, h, w)
        maps = begun_again(last.unflatten(0, clips.shape[:2]), self.frames, self.config.short)
        refined = self.refine(maps)  # (B, T, C, h, w)
        video = self.video(refined.transpose(1, 2))  # (B, D, T, h, w)
        return _Read(
            video=video.to(refined.dtype).mean(dim=(2, 3, 4)),
            parts=refined.mean(dim=(1, 4)).transpose(1, 2),
            auxiliary=frames.view(*clips.shape[:2], *frames.shape[1:]).mean(dim=1),
        )


class _Read(NamedTuple):
    """What one pass gives of B clips."""

    video: Tensor  # (B, D)
    parts: Tensor  # (B, h, C), a row of the map each
    auxiliary: Tensor  # stage 4's maps, the mean over a clip's frames: (B, C, h, w) of stage 4


class STMPHeads(nn.Module):
    """Classifiers of the clip's vector and of stage 4's map, drawn as the program draws them."""

    def __init__(
        self, config: STMPConfig, auxiliary_channels: int, auxiliary_size: tuple[int, int], n_persons: int
    ) -> None:
        super().__init__()
        hidden = nn.Linear(config.dimension, config.classifier_hidden, bias=False)
        norm = nn.BatchNorm1d(config.classifier_hidden)
        last = nn.Linear(config.classifier_hidden, n_persons)
        nn.init.kaiming_normal_(hidden.weight, mode="fan_out")
        nn.init.normal_(norm.weight, mean=1.0, std=0.02)
        nn.init.normal_(last.weight, std=0.001)
        nn.init.zeros_(last.bias)
        dropout = nn.Dropout(config.classifier_dropout)
        self.identity = nn.Sequential(hidden, norm, nn.LeakyReLU(config.classifier_slope), dropout, last)
        self.auxiliary: nn.Module
        if config.trunk == "inception_v3" and min(auxiliary_size) >= AUXILIARY_SIDE:
            self.auxiliary = InceptionAux(auxiliary_channels, n_persons)
        else:
            linear = nn.Linear(auxiliary_channels, n_persons)
            self.auxiliary = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear)
