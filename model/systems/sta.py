"""STA: spatial-temporal attention without parameters, over horizontal bands and frames."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.layers.frame_trunk import FrameTrunk, TrunkName
from model.layers.map_sizes import last_rows
from model.losses.batch_hard import batch_hard_triplet
from model.losses.inter_frame import inter_frame
from model.losses.precision import in_float32
from model.systems.bounds import Count, Frames, Pixels, Weight, check_trunk
from model.systems.system import Batch, System, frames_of


@dataclass(frozen=True, slots=True)
class STAConfig:
    """Only `trunk` and `bands` are published as far as we could read, the rest is assumed: see `STA`."""

    trunk: TrunkName = "resnet50"
    last_stride: Literal[1, 2] = 1
    height: Pixels = 256  # pixels of a frame
    width: Pixels = 128
    frames: Frames = 4  # T
    bands: Count = 4  # K
    dimension: Count = 1024  # D
    margin: Weight | None = 0.3  # of the triplets; None: the soft margin
    regularisation: Weight = 1.0  # weight of the inter-frame regularisation; 0 leaves it out

    def __post_init__(self) -> None:
        if self.bands < 1:
            raise ValueError(f"a frame has at least one band, got {self.bands}: use 4")
        check_trunk(self.trunk, self.last_stride, self.height, self.width)  # or there are no rows to count
        rows = last_rows(self.trunk, self.last_stride, self.height)
        if rows < self.bands:
            raise ValueError(
                f"a map has a row for each of {self.bands} bands at least, and frames of {self.height} pixels give "
                f"{rows}: raise `height` or lower `bands`"
            )


class STA(System):
    """Of each band the frame that shows it best, and the mean of all frames by how well they show it.

    Maps of frames are cut into horizontal bands, of which each has a score in each frame (`band_attention`). Two maps
    of a clip are put together band by band: that of the frame with the highest score, and the sum of all frames
    weighted by the scores. The two are concatenated, pooled, and given to one layer, whose output is the feature;
    a classifier follows in training. Frames may come in any order and number.

    Source: STA, AAAI 2019; only its public page and a figure were read. **Assumptions**, where those are silent:

    - The score of a band: see `band_attention`. Gradients go through it.
    - The formula of the inter-frame regularisation, which is ours: see `model.losses.inter_frame`; its weight is 1.
    - 256x128 pixels, 4 frames and a last stride of 1, as VRSTC has them; a margin of 0.3, as in TKP's code.
    - The feature has 1024 numbers, a quarter of what goes in; nothing follows its layer. The maps are concatenated by
      channels. All losses weigh 1, and triplets compare what is retrieved by.
    """

    fixed = False

    def __init__(self, config: STAConfig) -> None:
        super().__init__()
        self.config = config
        self.frames = config.frames
        self.dimension = config.dimension
        self.trunk = FrameTrunk(config.trunk, last_stride=config.last_stride)
        self.embed = nn.Linear(2 * self.trunk.channels[-1], config.dimension)

    def features(self, clips: Tensor) -> Tensor:
        """(B, T, 3, H, W) -> (B, D).

        Raises:
            ValueError: frames of another size, or none.
        """
        return self._attended(clips)[0]

    def training_heads(self, n_persons: int) -> nn.Module:
        return nn.Linear(self.dimension, n_persons)

    def losses(self, batch: Batch, heads: nn.Module) -> Mapping[str, Tensor]:
        features, attention = self._attended(batch.clips)
        logits: Tensor = heads(features)
        return {
            "identity": F.cross_entropy(logits.float(), batch.person),
            "triplet": batch_hard_triplet(features, batch.person, margin=self.config.margin),
            "inter_frame": self.config.regularisation * inter_frame(attention),
        }

    def _attended(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, D) and the attention they come from, (B, K, T)."""
        frames = frames_of(clips, self.config.height, self.config.width)
        maps: Tensor = self.trunk(frames).unflatten(0, clips.shape[:2])  # (B, T, C, h, w)
        attention = band_attention(maps, self.config.bands)
        both = torch.cat([strongest(maps, attention), weighted(maps, attention)], dim=1)  # (B, 2 C, h, w)
        features: Tensor = self.embed(both.mean(dim=(2, 3)))
        return features, attention


@in_float32
def band_attention(maps: Tensor, bands: int) -> Tensor:
    """How well each frame shows each band: (B, T, C, h, w) -> (B, K, T), a band's sum over the frames is 1.

    With the energy e of a band in a frame, its squares summed over channels, rows and columns::

        s_kt = e_kt / sum_j e_jt      A_kt = s_kt / sum_u s_ku

    A band's share of its frame first, so that a frame with larger numbers everywhere counts no more than others.

    Assumption: published is that the matrix is one of bands and frames and has no parameters; the score is ours.
    Where h is no multiple of K some bands have a row more than others, in each frame the same.
    """
    rows = maps.square().sum(dim=(2, 4))  # (B, T, h)
    band = F.one_hot(_band_of_row(maps, bands), bands).to(rows.dtype)  # (h, K)
    energy = (rows @ band).clamp(min=1e-12)  # (B, T, K); a map of zeros counts in all bands the same
    share = energy / energy.sum(dim=2, keepdim=True)
    return (share / share.sum(dim=1, keepdim=True)).transpose(1, 2)


@in_float32
def strongest(maps: Tensor, attention: Tensor) -> Tensor:
    """Each band from the frame that shows it best: (B, T, C, h, w), (B, K, T) -> (B, C, h, w)."""
    frame = attention.argmax(dim=2)[:, _band_of_row(maps, attention.shape[1])]  # (B, h)
    _, _, channels, _, width = maps.shape
    index = frame[:, None, None, :, None].expand(-1, 1, channels, -1, width)
    return maps.gather(1, index).squeeze(1)


@in_float32
def weighted(maps: Tensor, attention: Tensor) -> Tensor:
    """Each band as the sum over all frames by their attention: (B, T, C, h, w), (B, K, T) -> (B, C, h, w)."""
    weights = attention[:, _band_of_row(maps, attention.shape[1])].transpose(1, 2)  # (B, T, h)
    return (weights[:, :, None, :, None] * maps).sum(dim=1)


def _band_of_row(maps: Tensor, bands: int) -> Tensor:
    """The band of each row of the maps, from the top: (h,) int64."""
    height = maps.shape[3]
    return torch.arange(height, device=maps.device) * bands // height
