"""The multi-scale 3-D layer of M3D: convolutions over time at several dilations at once, added to a 2-D trunk's map."""

from collections.abc import Sequence

from torch import Tensor, nn

from model.layers.conv3d import Conv3d

START = 0.01  # the norms' gain


class MultiScaleTemporal(nn.Module):
    """x plus what parallel convolutions over time make of it; almost x at first.

    With dilations r, and frames outside the clip taken as 0::

        y_t = x_t + sum_r ReLU(BN(sum_{i = -1, 0, 1} W_{r,i} x_{t + r i}))        at each place, W_{r,i} of C x C

    Where time is halved, the convolutions have a stride of 2 and x is averaged in pairs.

    Source: Li et al. (M3D), AAAI 2019, by their program (ljn114514/M3D). There all W begin at 0: the norm gives 0, a
    ReLU passes no gradient at 0, so W, gain and shift stay what they are however long one trains. Here W is drawn as
    the program draws its other convolutions, and the norms' gains begin at 0.01, so that a trunk with weights of its
    own starts almost unchanged and all of it learns.
    """

    def __init__(self, channels: int, dilations: Sequence[int], *, halve: bool) -> None:
        """`dilations`: one branch each. halve: whether half as many frames come out."""
        super().__init__()
        self.halve = halve
        self.branches = nn.ModuleList(_branch(channels, rate, stride=2 if halve else 1) for rate in dilations)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, C, T, h, w) -> the same shape, or (B, C, T / 2, h, w)."""
        return sum((branch(clips) for branch in self.branches), start=self.averaged(clips))

    def averaged(self, clips: Tensor) -> Tensor:
        """The maps without the layer: (B, C, T, h, w) -> as they are, or in pairs, (B, C, T / 2, h, w)."""
        return (clips[:, :, 0::2] + clips[:, :, 1::2]) / 2 if self.halve else clips


def _branch(channels: int, rate: int, *, stride: int) -> nn.Sequential:
    convolution = Conv3d(
        channels, channels, (3, 1, 1), stride=(stride, 1, 1), padding=(rate, 0, 0), dilation=(rate, 1, 1), bias=False
    )
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    norm = nn.BatchNorm3d(channels)
    nn.init.constant_(norm.weight, START)
    return nn.Sequential(convolution, norm, nn.ReLU())
