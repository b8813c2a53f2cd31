"""The residual attention layer of M3D: a mask over space and time, applied as a residual."""

from torch import Tensor, nn

from model.layers.conv3d import Conv3d


class ResidualAttention(nn.Module):
    """x (1 + m): m a number for each place of each frame, the same for all channels; exactly x at first.

    ::

        m = tanh(conv3x3x3(relu(conv1x1x1(x))))               C -> C / reduction -> 1 channels

    One convolution over space and time makes the mask, so both are learned together. Named after Li et al. (M3D),
    AAAI 2019, whose formula could not be read: the two convolutions, the tanh, and the second one's weights of 0 at
    the start, so that a trunk with weights of its own starts unchanged, are assumed. A mask below 0 weakens a place.
    """

    def __init__(self, channels: int, *, reduction: int) -> None:
        super().__init__()
        inner = max(1, channels // reduction)
        self.reduce = Conv3d(channels, inner, kernel_size=1)
        self.mask = Conv3d(inner, 1, kernel_size=3, padding=1)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.mask.weight)
        assert self.mask.bias is not None
        nn.init.zeros_(self.mask.bias)

    def forward(self, clips: Tensor) -> Tensor:
        """(B, C, T, h, w) -> the same shape, whatever T is."""
        mask: Tensor = self.mask(self.reduce(clips).relu()).tanh()  # (B, 1, T, h, w)
        return clips + clips * mask
