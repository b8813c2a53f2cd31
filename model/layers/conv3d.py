"""Convolutions over time and space whose gradients can be trusted on CPUs."""

import torch
from torch import Tensor, nn


class Conv3d(nn.Conv3d):
    """torch's, in the precision of its weights whatever autocast is around it.

    On CPUs some bfloat16 gradients of such weights over maps of a few pixels hold what was in memory before: with
    torch 2.15 three of sixty backward passes were not finite.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, T, h, w) -> (B, D, T, h, w), in the precision that came in."""
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.to(self.weight.dtype)).to(input.dtype)
