"""The multi-scale 3-D layer of M3D: convolutions over time at several dilations at once, added to a 2-D trunk's map."""

from collections.abc import Sequence

from torch import Tensor, nn

from model.layers.conv3d import Conv3d


class MultiScaleTemporal(nn.Module):
    """x plus what parallel convolutions over time make of it; exactly x at first.

    With dilations r, and frames outside the clip taken as 0::

        y_t = x_t + sum_r sum_{i = -1, 0, 1} W_{r,i} x_{t + r i}          at each place, W_{r,i} of C x C

    Named after Li et al. (M3D), AAAI 2019, whose formula could not be read: that the scales are dilations, side by
    side, of a kernel of 3, without bias, norm or activation, and that all weights begin at 0, so that a trunk with
    weights of its own starts unchanged, is assumed.
    """

    def __init__(self, channels: int, dilations: Sequence[int]) -> None:
        """`dilations`: one branch each, at least one."""
        super().__init__()
        self.branches = nn.ModuleList(
            Conv3d(channels, channels, (3, 1, 1), padding=(rate, 0, 0), dilation=(rate, 1, 1), bias=False)
            for rate in dilations
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for branch in self.branches:
            assert isinstance(branch, Conv3d)
            nn.init.zeros_(branch.weight)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, C, T, h, w) -> the same shape, whatever T is."""
        return sum((branch(clips) for branch in self.branches), start=clips)
