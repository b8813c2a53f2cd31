"""STCnet, the completion network of VRSTC: it draws what is hidden of a frame, from the frame and from its neighbours.

Source: Hou et al., "VRSTC: Occlusion-Free Video Person Re-Identification", CVPR 2019. Without published code. Named
assumptions, each a free choice of the paper's reader:

- Channels: the paper gives none. Those of a third-party completion network of the same family (otenim/GLCIC-PyTorch):
  64, 128, 256 at full, half and quarter size, dilated convolutions of 256 with rates 2, 4, 8, 16; all are multiples of
  `STCnetConfig.width`. Kernels 3 x 3 and ELU are the paper's; no normalisation layers, as it names none.
- The last layer is a tanh, as pictures have values from -1 to 1.
- The dropped region is one of three bands, drawn evenly for each picture; it is filled with 0, and the generators are
  told nowhere else which it is.
- The three encoders of the temporal generator have weights of their own, as has each generator.
- Discriminators: channels as the encoders', ELU, no normalisation; the local one sees the whole frame, 0 outside the
  dropped region (M * x as printed).
- Generators and discriminators take Adam steps at the same time instead of in turn, so one backward does for both. The
  discriminators' own terms have weight 1: Adam does not feel a factor.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from model.layers.occlusion import BANDS, band_mask
from model.layers.temporal_attention import temporal_attention
from model.losses.adversarial import discriminator_loss, generator_loss
from model.systems.bounds import Count, Side, Weight

RATES = (2, 4, 8, 16)  # of the dilated convolutions


@dataclass(frozen=True, slots=True)
class STCnetConfig:
    """The paper's sizes and weights."""

    size: tuple[Side, Side] = (128, 64)  # H, W of the pictures, multiples of 4
    width: Count = 64  # channels of the first convolution; assumed
    adversarial: Weight = 0.001  # lambda_1
    identity: Weight = 0.1  # lambda_2
    # Printed is a norm, so a sum. Over 24,576 numbers that leaves the other two terms no say, so the mean is assumed.
    norm: Literal["mean", "sum"] = "mean"

    def __post_init__(self) -> None:
        if any(side % 4 for side in self.size):
            raise ValueError(
                f"STCnet halves pictures twice, so both sides of `size` are multiples of 4, not {self.size}: "
                "take (128, 64)"
            )


@dataclass(frozen=True, slots=True)
class Windows:
    """Frames between their neighbours: the nearest earlier and later ones in which nothing is hidden. Values -1 to 1.

    Where a frame has no such neighbour at all, the spatial generator's picture of it stands in on both sides.
    """

    frames: Tensor  # (F, 3, H, W)
    previous: Tensor  # (F, 3, H, W)
    following: Tensor  # (F, 3, H, W)
    known: Tensor  # (F,) bool: whether it has neighbours; else `previous` and `following` are not looked at


class SpatialGenerator(nn.Module):
    """An auto-encoder over one frame: five convolutions to a quarter of the size, four dilated ones, two back."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.encoder = _encoder(width)
        self.decoder = _decoder(4 * width, width)

    def forward(self, frames: Tensor) -> Tensor:
        """(F, 3, H, W) with the dropped region 0 -> whole pictures, (F, 3, H, W)."""
        pictures: Tensor = self.decoder(self.encoder(frames))
        return pictures


class TemporalGenerator(nn.Module):
    """Encodes a frame and both neighbours, brings the neighbours' features to its places, and decodes all three."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.current, self.previous, self.following = (_encoder(width) for _ in range(3))
        self.decoder = _decoder(3 * 4 * width, width)

    def forward(self, frames: Tensor, previous: Tensor, following: Tensor) -> Tensor:
        """Three times (F, 3, H, W) -> whole pictures, (F, 3, H, W)."""
        x = self.current(frames)  # (F, C, H / 4, W / 4)
        before = temporal_attention(x, self.previous(previous))
        after = temporal_attention(x, self.following(following))
        pictures: Tensor = self.decoder(torch.cat([x, before, after], dim=1))
        return pictures


class Discriminator(nn.Module):
    """Six 3 x 3 convolutions of stride 2 and one fully connected layer. The sigmoid is left to the loss."""

    def __init__(self, size: tuple[int, int], width: int) -> None:
        super().__init__()
        channels = (3, *(times * width for times in (1, 2, 4, 4, 4, 4)))
        layers = (_convolution(channels[n], channels[n + 1], stride=2) for n in range(6))
        self.convolutions = nn.Sequential(*(part for layer in layers for part in layer))
        height, breadth = (-(-side // 2**6) for side in size)  # each convolution halves, and rounds up
        self.out = nn.Linear(channels[-1] * height * breadth, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """(F, 3, H, W) -> logits that they are real, (F,)."""
        # Its last maps are a pixel or two, of which bfloat16 gradients are not finite on some CPUs.
        with torch.autocast(frames.device.type, enabled=False):
            logits: Tensor = self.out(self.convolutions(frames.float()).flatten(1))
            return logits.squeeze(1)


class STCnetHeads(nn.Module):
    """What training needs: both discriminators, and a trained network that tells persons and never learns.

    guider: pictures (F, 3, H, W), values -1 to 1, to logits of the training persons, (F, P). It is frozen here.
    """

    def __init__(self, config: STCnetConfig, guider: nn.Module) -> None:
        super().__init__()
        self.whole, self.region = (Discriminator(config.size, config.width) for _ in range(2))
        self.guider = guider.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self.guider.eval()  # or its batch norms would learn of drawn pictures
        return self


class STCnet(nn.Module):
    """Fills dropped regions of frames: the spatial generator draws them, the temporal one draws them anew."""

    def __init__(self, config: STCnetConfig) -> None:
        super().__init__()
        self.config = config
        self.spatial = SpatialGenerator(config.width)
        self.temporal = TemporalGenerator(config.width)

    def forward(self, windows: Windows, mask: Tensor) -> tuple[Tensor, Tensor]:
        """x1 and x2 of the paper, (F, 3, H, W): what both generators make of frames x of which `mask` M is dropped::

            x1 = M G_s((1 - M) x) + (1 - M) x        x2 = M G_t(x1, x_p, x_n) + (1 - M) x

        Args:
            mask: (F, 1, H, W), or with a side of 1 instead; bool, True where the picture is dropped.
        """
        x = windows.frames
        first = torch.where(mask, self.spatial(x.masked_fill(mask, 0)).to(x.dtype), x)
        known = windows.known[:, None, None, None]
        previous, following = (torch.where(known, each, first) for each in (windows.previous, windows.following))
        second = torch.where(mask, self.temporal(first, previous, following).to(x.dtype), x)
        return first, second

    def training_heads(self, guider: nn.Module) -> STCnetHeads:
        return STCnetHeads(self.config, guider)

    def losses(
        self, windows: Windows, person: Tensor, heads: STCnetHeads, band: Tensor | None = None
    ) -> Mapping[str, Tensor]:
        """The weighted terms of both sides; their sum may go through one backward.

        With R the guider, D_g and D_l the discriminators and D' the same with constant parameters::

            spatial  = |x - x1|_1        temporal  = |x - x2|_1        identity = lambda_2 CE(R(x2), person)
            deceive_whole = lambda_1 mean log(1 - D_g'(x2))        deceive_region: the same of D_l'(M x2)
            detect_whole = -mean log D_g(x) - mean log(1 - D_g(x2)), x2 constant;   detect_region: the same of D_l

        Args:
            windows: of frames in which nothing is hidden.
            person: (F,) int64, columns of the guider.
            band: (F,) int64, 0 to 2: which is dropped of each frame; None to draw it.

        Raises:
            ValueError: there are no frames.
        """
        x, config = windows.frames, self.config
        if len(x) == 0:
            raise ValueError("STCnet learns from frames in which nothing is hidden, and there are 0: skip this batch")
        if band is None:
            band = torch.randint(BANDS, (len(x),), device=x.device)
        mask = band_mask(F.one_hot(band, BANDS).bool(), x.shape[2])
        first, second = self(windows, mask)
        losses = {
            "spatial": self._difference(x, first),
            "temporal": self._difference(x, second),
            "identity": config.identity * F.cross_entropy(heads.guider(second).float(), person),
        }
        pairs = {"whole": (heads.whole, x, second), "region": (heads.region, x * mask, second * mask)}
        for name, (discriminator, real, made) in pairs.items():
            constants = {key: value.detach() for key, value in discriminator.named_parameters()}
            losses[f"deceive_{name}"] = config.adversarial * generator_loss(
                functional_call(discriminator, constants, (made,))
            )
            losses[f"detect_{name}"] = discriminator_loss(discriminator(real), discriminator(made.detach()))
        return losses

    def _difference(self, x: Tensor, made: Tensor) -> Tensor:
        """|x - made|_1 of a picture, mean over the pictures."""
        distances = (x - made).abs().flatten(1)  # (F, 3 H W)
        return distances.mean() if self.config.norm == "mean" else distances.sum(dim=1).mean()


def _encoder(width: int) -> nn.Sequential:
    """(F, 3, H, W) -> (F, 4 width, H / 4, W / 4)."""
    half, quarter = 2 * width, 4 * width
    return nn.Sequential(
        *_convolution(3, width),
        *_convolution(width, half, stride=2),
        *_convolution(half, half),
        *_convolution(half, quarter, stride=2),
        *_convolution(quarter, quarter),
        *(part for rate in RATES for part in _convolution(quarter, quarter, dilation=rate)),
    )


def _decoder(channels: int, width: int) -> nn.Sequential:
    """(F, channels, H / 4, W / 4) -> (F, 3, H, W), values -1 to 1."""
    first = nn.ConvTranspose2d(channels, 2 * width, 3, stride=2, padding=1, output_padding=1)
    last = nn.ConvTranspose2d(2 * width, 3, 3, stride=2, padding=1, output_padding=1)
    return nn.Sequential(first, nn.ELU(), last, nn.Tanh())


def _convolution(before: int, after: int, *, stride: int = 1, dilation: int = 1) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(before, after, 3, stride=stride, padding=dilation, dilation=dilation), nn.ELU()
