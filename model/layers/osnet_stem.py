"""OSNet x0.25 (Zhou et al., ICCV 2019) as a stem: small, and made for telling persons apart.

Batch norms are folded into the convolutions before them, as published networks for inference have them: their
statistics stay what they were. Every picture is normalised by its own mean and deviation first, which takes off most of
what is a camera's and not a person's.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.layers.stem import ConvStem

CHANNELS = (16, 64, 96, 128)  # after the first convolution and after each stage
STREAMS = 4  # of a block: t convolutions deep, t = 1 .. 4, so that it sees four scales
GATE_REDUCTION = 16
DESCRIPTOR = 256  # numbers


class OsnetStem(ConvStem):
    """Its map at stride 16 makes the tokens, its head the descriptor; see `ConvStem`."""

    descriptor = DESCRIPTOR

    def __init__(self, **timm: Any) -> None:
        narrow, first, second, third = CHANNELS
        blocks = nn.Sequential(
            Entry(narrow),
            OmniScaleBlock(narrow, first),
            OmniScaleBlock(first, first),
            Transition(first),
            OmniScaleBlock(first, second),
            OmniScaleBlock(second, second),
            Transition(second),
            OmniScaleBlock(second, third),
            OmniScaleBlock(third, third),
        )
        super().__init__(blocks, third, **timm)
        self.head = Head(third, self.grid_size)


class Entry(nn.Module):
    """Pixels to stride 4: (F, 3, H, W) -> (F, C, H / 4, W / 4)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pixels = nn.GroupNorm(1, 3)  # one group: over the whole picture
        self.conv = nn.Conv2d(3, channels, 7, stride=2, bias=False)
        self.norm = nn.GroupNorm(1, channels)

    def forward(self, frames: Tensor) -> Tensor:
        # Pictures come with a pixel's channels side by side; laid out anew, the stem takes a tenth less time on a CPU.
        # An odd rest of padding goes below and to the right.
        x = self.conv(F.pad(self.pixels(frames.contiguous()), (2, 3, 2, 3)))
        return F.max_pool2d(F.pad(F.relu(self.norm(x)), (0, 1, 0, 1)), 3, 2)


class Transition(nn.Module):
    """Halves height and width."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(F.relu(self.conv(x)), 2)


class OmniScaleBlock(nn.Module):
    """A bottleneck of four streams of growing depth, weighed per channel by one gate they share, and added up."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        middle = out // 4
        self.reduce = nn.Conv2d(channels, middle, 1)
        self.streams = nn.ModuleList(
            nn.Sequential(*(LightConv(middle) for _ in range(depth))) for depth in range(1, STREAMS + 1)
        )
        self.gate = Gate(middle)
        self.expand = nn.Conv2d(middle, out, 1)
        self.shortcut = nn.Identity() if channels == out else nn.Conv2d(channels, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(F, channels, h, w) -> (F, out, h, w)."""
        reduced = F.relu(self.reduce(x))
        seen = sum(self.gate(stream(reduced)) for stream in self.streams)
        return F.relu(self.expand(seen) + self.shortcut(x))


class LightConv(nn.Module):
    """A convolution over channels, then one over space."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.point = nn.Conv2d(channels, channels, 1, bias=False)
        self.depth = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.depth(self.point(x)))


class Gate(nn.Module):
    """Weighs each channel by what the whole map shows."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(channels // GATE_REDUCTION, 1)
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.excite = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3), keepdim=True)
        weighed: Tensor = x * self.excite(F.relu(self.squeeze(mean))).sigmoid()
        return weighed


class Head(nn.Module):
    """What stands where on a person, weighed channel by channel, to one descriptor of the whole picture."""

    def __init__(self, channels: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 1)
        self.places = nn.Parameter(torch.full((channels, *grid), 1 / (grid[0] * grid[1])))  # begins as the mean
        self.shift = nn.Parameter(torch.zeros(channels))
        self.out = nn.Linear(channels, DESCRIPTOR)
        self.slope = nn.PReLU()

    def forward(self, seen: Tensor) -> Tensor:
        """(F, C, h, w) -> (F, S)."""
        # A sum over all places, as a convolution as large as the grid: several times faster on CPUs.
        weights = self.places[:, None]  # (C, 1, h, w)
        pooled = F.conv2d(F.relu(self.conv(seen)), weights, self.shift, groups=len(weights)).flatten(1)  # (F, C)
        descriptor: Tensor = self.slope(self.out(pooled))
        return descriptor
