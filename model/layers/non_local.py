"""The non-local block: each position of a clip looks at all others, over time or over time and space."""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from model.losses.precision import in_float32


@in_float32
def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Of each position the weighted mean of all values, its weights the softmax of plain inner products.

    With positions l of the queries and m of the keys::

        y_l = sum_m a_lm value_m,    a_lm = exp(query_l . key_m) / sum_m' exp(query_l . key_m')

    The products are not scaled, so they grow with the channels: in float32, whatever the network runs in.

    Args:
        query: (B, N, L); key, value: (B, N, M).

    Returns:
        (B, N, L), float32 where half precision came in.
    """
    q, k, v = (each.transpose(1, 2).contiguous() for each in (query, key, value))  # (B, L, N), (B, M, N), (B, M, N)
    return F.scaled_dot_product_attention(q, k, v, scale=1.0).transpose(1, 2)


class NonLocal(nn.Module):
    """x + BN(W y), y the embedded Gaussian attention of theta(x) to phi(x) over g(x); at first exactly x.

    theta, phi and g are convolutions of one position to `inner` channels, W one back. The batch norm's scale and bias
    begin at 0. No mask: every frame is a real one.

    Source: Wang et al., "Non-local Neural Networks", CVPR 2018, in the form that Gu et al. (TKP, ICCV 2019), Hou et
    al. (VRSTC, CVPR 2019) and the program of Li et al. (GLTR, ICCV 2019) use: products not scaled.

    Theta alone has a bias: one of phi adds the same to all products of a query, one of g or W is taken off by the batch
    norm, so that the programs', which have all four, compute the same.
    """

    def __init__(
        self, channels: int, *, inner: int | None = None, dims: Literal[1, 3], subsample: bool, fan_out: bool = False
    ) -> None:
        """Args:
        inner: channels of theta, phi and g; None for half of `channels`.
        dims: 1 for (B, C, T), 3 for (B, C, T, H, W).
        fan_out: weights are drawn with a variance of 2 / output channels (TKP's program), instead of as PyTorch draws
            (GLTR's). Products begin some dozen times larger so, and what a position looks at less even.
        subsample: keys and values are the maxima of 2 x 2 positions of a frame, never of several frames. Where a
            side is odd, its last row or column stands alone.

        Raises:
            ValueError: subsampling was asked for where there are no heights and widths.
        """
        super().__init__()
        if subsample and dims == 1:
            raise ValueError("subsample takes maxima within a frame: with dims=1 there is one position a frame, use 3")
        inner = inner or channels // 2
        self.dims, self.subsample = dims, subsample
        # One position at a time, so that one kind of convolution serves for both numbers of dimensions.
        self.theta = nn.Conv1d(channels, inner, 1)
        self.phi = nn.Conv1d(channels, inner, 1, bias=False)
        self.g = nn.Conv1d(channels, inner, 1, bias=False)
        self.out = nn.Conv1d(inner, channels, 1, bias=False)
        self.norm = nn.BatchNorm1d(channels)
        nn.init.zeros_(self.norm.weight)
        nn.init.zeros_(self.norm.bias)
        if fan_out:
            for convolution in (self.theta, self.phi, self.g, self.out):
                nn.init.kaiming_normal_(convolution.weight, mode="fan_out")

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) or (B, C, T, H, W), same shape out.

        Raises:
            ValueError: the tensor has another number of dimensions.
        """
        if x.ndim != self.dims + 2:
            wanted = "(B, C, T)" if self.dims == 1 else "(B, C, T, H, W)"
            raise ValueError(f"a non-local block with dims={self.dims} takes {wanted}, not a shape of {tuple(x.shape)}")
        flat = x.flatten(2)  # (B, C, L)
        key, value = self.phi(flat), self.g(flat)  # (B, N, L)
        if self.subsample:
            key, value = (_fewer(each.view(*each.shape[:2], *x.shape[2:])) for each in (key, value))  # (B, N, M)
        attended = attend(self.theta(flat), key, value).to(value.dtype)  # (B, N, L)
        added: Tensor = self.norm(self.out(attended))  # (B, C, L)
        return x + added.view_as(x)


def _fewer(positions: Tensor) -> Tensor:
    """(B, N, T, H, W) -> (B, N, M), maxima of 2 x 2; a map of one row or column still has a position."""
    return F.max_pool3d(positions, (1, 2, 2), ceil_mode=True).flatten(2)
