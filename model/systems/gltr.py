"""GLTR: convolutions over near and farther frames, then attention among all frames of a track.

Source: Li et al., "Global-Local Temporal Representations for Video Person Re-identification", ICCV 2019, and their
program (kanei1024/GLTR), by which weights are drawn. Assumed, as not published:

- the paper's attention: its convolutions see one frame at a time and have no bias (the norms take it off, the
  first by its own shift, the head's for what is added); M's weights sum to 1 over the frames that are summed;
- the paper's pyramid is without bias, norm and ReLU, and drawn as the program's; the paper's head is the program's;
- a clip of fewer than T frames begins again, as in training, unless a configuration has it as the paper tests: the
  pyramid sees zeros outside of a clip, so that a picture would meet a third of its weights, and be another thing than a
  clip;
- the paper's first stage, the trunk alone on pictures, is a `baseline` of one frame: its classifier stands on the
  trunk's mean, so that the map to d numbers is drawn with the pyramid; an epoch shows every picture once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.layers.frame_trunk import FrameTrunk, TrunkName
from model.layers.non_local import NonLocal, attend
from model.losses.precision import in_float32
from model.systems.bounds import Count, Counts, Frames, Part, Pixels, Scale
from model.systems.system import Batch, ShortClips, System, begun_again, frames_of


@dataclass(frozen=True, slots=True)
class GltrConfig:
    """The paper's form. That of the authors' program differs in three fields: `gltr-code.toml`."""

    trunk: TrunkName = "resnet50"
    last_stride: Literal[1, 2] = 1  # the code's: maps of 16 x 8; the paper does not tell
    height: Pixels = 256
    width: Pixels = 128
    frames: Frames = 16
    frame_dimension: Count = 128
    # In all three the paper's form is the default: it is what the published text, figures and equations describe.
    # How far the pyramid's convolutions reach, in frames. Paper: 2^(n-1); code: (1, 2, 3).
    dilations: Counts = (1, 2, 4)
    # Whether the frames' own features stand beside the convolved ones. Paper: no, 384 numbers; code: yes, 512.
    raw_features: bool = False
    # Paper: batch norm and ReLU on what is compared, and a map back that is 0 at first; code: a non-local block.
    attention: Literal["paper", "code"] = "paper"
    # Standard deviation of the pyramid's weights as drawn; the code's. The head's norm takes their size off again, but
    # an optimiser that moves all weights equally far (Adam) turns small ones about with every step.
    pyramid_start: Scale = 0.001
    # Clips of fewer than T frames. A small GLTR found 42.6 / 41.5 of 60 persons of Market-1501 by pictures (I2V) as
    # they are, as the paper tests, and 50.2 / 44.5 begun again.
    short: ShortClips = "again"
    reduction: Count = 2  # alpha: how many times fewer channels the attention compares
    dropout: Part = 0.5

    def __post_init__(self) -> None:
        channels = self.frame_dimension * (len(self.dilations) + self.raw_features)
        if self.reduction > channels:
            raise ValueError(
                f"the attention compares one channel of {channels} at least, reduction is {self.reduction}: lower it"
            )


class Gltr(System):
    """A trunk, a vector a frame, the dilated pyramid and the self-attention; a clip is the mean of its frames.

    Takes clips of any length, and the paper shows it a whole track at once. The order of frames counts.
    """

    fixed = False

    def __init__(self, config: GltrConfig) -> None:
        super().__init__()
        self.config = config
        self.frames = config.frames
        self.trunk = FrameTrunk(config.trunk, last_stride=config.last_stride)
        self.embed = nn.Linear(self.trunk.channels[-1], config.frame_dimension)
        nn.init.kaiming_normal_(self.embed.weight, mode="fan_out")
        nn.init.zeros_(self.embed.bias)
        self.pyramid = DilatedPyramid(
            config.frame_dimension, config.dilations, raw=config.raw_features, start=config.pyramid_start
        )
        self.dimension = self.pyramid.channels
        inner = self.dimension // config.reduction
        self.attention: nn.Module
        if config.attention == "code":
            self.attention = NonLocal(self.dimension, inner=inner, dims=1, subsample=False)
        else:
            self.attention = TemporalSelfAttention(self.dimension, inner)

    def features(self, clips: Tensor) -> Tensor:
        """(B, T, 3, H, W) -> the vectors before the head's batch norm, (B, D)."""
        maps = self.trunk(frames_of(clips, self.config.height, self.config.width))  # (B T, C, h, w)
        each = self.embed(maps.mean(dim=(2, 3))).view(*clips.shape[:2], -1)  # (B, T, d)
        each = begun_again(each, self.frames, self.config.short)
        local = self.pyramid(each.transpose(1, 2))  # (B, D, T)
        return _over_time(self.attention(local))

    def training_heads(self, n_persons: int) -> nn.Module:
        classifier = nn.Linear(self.dimension, n_persons)
        nn.init.normal_(classifier.weight, std=0.001)
        nn.init.zeros_(classifier.bias)
        return nn.Sequential(nn.BatchNorm1d(self.dimension), nn.ReLU(), nn.Dropout(self.config.dropout), classifier)

    def losses(self, batch: Batch, heads: nn.Module) -> Mapping[str, Tensor]:
        logits = heads(self.features(batch.clips))
        return {"identity": F.cross_entropy(logits.float(), batch.person)}


class DilatedPyramid(nn.Module):
    """DTP: for each rate r the sum of a frame and those r before and after it, each through its own matrix.

    For x (C, T), zero outside the clip, and rates r::

        y^(r)_t = W^(r)_-1 x_(t-r) + W^(r)_0 x_t + W^(r)_1 x_(t+r)        y_t = [y^(r1)_t, y^(r2)_t, ...]

    Source: equations 5 and 6. With `raw`, x_t itself stands first. `start`: standard deviation of W as drawn.
    """

    def __init__(self, channels: int, rates: Sequence[int], *, raw: bool, start: float) -> None:
        super().__init__()
        self.raw = raw
        self.channels = (len(rates) + raw) * channels
        self.convolutions = nn.ModuleList(
            nn.Conv1d(channels, channels, 3, padding=rate, dilation=rate, bias=False) for rate in rates
        )
        for convolution in self.convolutions.parameters():
            nn.init.normal_(convolution, std=start)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, D, T), of any T."""
        reached = [convolution(x) for convolution in self.convolutions]
        return torch.cat([x.to(reached[0].dtype), *reached] if self.raw else reached, dim=1)


class TemporalSelfAttention(nn.Module):
    """TSA as the paper has it: each frame also gets a mixture of all frames; at first exactly what it was.

    With B = ReLU(BN(W_B x)), C = ReLU(BN(W_C x)) and the columns of M summing to 1::

        M_st = softmax_s(B_s . C_t)        y_t = x_t + W sum_s M_st (W_F x)_s        W = 0 at first

    Source: equation 7 and figure 2.
    """

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.b, self.c = (
            nn.Sequential(nn.Conv1d(channels, inner, 1, bias=False), nn.BatchNorm1d(inner), nn.ReLU()) for _ in range(2)
        )
        self.value = nn.Conv1d(channels, inner, 1, bias=False)
        self.out = nn.Conv1d(inner, channels, 1, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, D, T), same shape out, of any T."""
        value = self.value(x)  # (B, N, T)
        mixed = attend(self.c(x), self.b(x), value).to(value.dtype)
        added: Tensor = self.out(mixed)
        return x + added


@in_float32
def _over_time(x: Tensor) -> Tensor:
    """(B, D, T) -> (B, D)."""
    return x.mean(dim=2)
