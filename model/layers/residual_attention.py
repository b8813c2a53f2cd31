"""The residual attention layer of M3D: one mask over places, channels and frames, applied as a residual."""

import torch
from torch import Tensor, nn


class ResidualAttention(nn.Module):
    """x / 2 + sigmoid(s c t) x: s a number for each place, c for each channel, t for each frame; exactly x at first.

    ::

        s = conv1x1(BN(ReLU(conv3x3(mean of x over time))))                      C -> 1 -> 1, at each place
        c = ReLU(conv1x1(BN(ReLU(conv1x1(mean over time and places)))))          C -> C / reduction -> C
        t = conv1x1(BN(ReLU(conv1x1(mean over channels and places))))            T -> 2 T -> T

    Source: Li et al. (M3D), AAAI 2019, by their program (ljn114514/M3D); no bias anywhere. There the last convolution
    of each factor begins at 0: each has a gradient that is a product of the other two, so none ever learns and the
    mask stays 1/2. Here only that of t does. That of s, one number, begins at 1, and those before are drawn as the
    program draws, but so that no factor is behind ReLUs that pass nothing: the one kernel of s begins without signs, as
    trunks give maps that are nowhere below 0; in c and t, which see one number of a sign a clip or frame, every other
    unit begins as the opposite of the one before it, and c has two at least.
    """

    def __init__(self, channels: int, frames: int, *, reduction: int) -> None:
        super().__init__()
        inner = max(2, channels // reduction)
        self.spatial = nn.Sequential(*_two_layers(channels, 1, 1, kernel=3))
        self.channel = nn.Sequential(*_two_layers(channels, inner, channels), nn.ReLU())
        self.temporal = nn.Sequential(*_two_layers(frames, 2 * frames, frames))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for convolution in self.modules():
            if isinstance(convolution, nn.Conv2d):
                nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
        for factor in (self.channel, self.temporal):
            _oppose(factor.get_parameter("0.weight"))
        with torch.no_grad():
            self.spatial.get_parameter("0.weight").abs_()
        nn.init.ones_(self.spatial.get_parameter("3.weight"))
        nn.init.zeros_(self.temporal.get_parameter("3.weight"))

    def forward(self, clips: Tensor) -> Tensor:
        """(B, C, T, h, w) of the T that it was built for -> the same shape."""
        maps = clips.mean(dim=2)  # (B, C, h, w)
        spatial = self.spatial(maps)[:, :, None]  # (B, 1, 1, h, w)
        channel = self.channel(maps.mean(dim=(2, 3), keepdim=True))[:, :, None]  # (B, C, 1, 1, 1)
        temporal = self.temporal(clips.mean(dim=1).mean(dim=(2, 3), keepdim=True))[:, None]  # (B, 1, T, 1, 1)
        mask: Tensor = (spatial * channel * temporal).sigmoid()  # (B, C, T, h, w)
        return clips / 2 + mask * clips


def _two_layers(channels: int, inner: int, out: int, *, kernel: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, inner, kernel, padding=kernel // 2, bias=False),
        nn.ReLU(),
        nn.BatchNorm2d(inner),
        nn.Conv2d(inner, out, 1, bias=False),
    ]


@torch.no_grad()
def _oppose(weight: Tensor) -> None:
    """Of (units, ...), every other one becomes the opposite of the one before it."""
    pairs = weight[: len(weight) // 2 * 2]
    pairs[1::2] = -pairs[::2]
