"""Pixels as networks with ImageNet weights are fed them."""

import torch
from torch import Tensor, nn

from model.vills.config import IMAGENET_MEAN, IMAGENET_STD


class ImagenetPixels(nn.Module):
    """0-255 to numbers of mean 0 and deviation 1 over ImageNet, channel by channel. Nothing of it is in the weights."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", 255 * torch.tensor(IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", 255 * torch.tensor(IMAGENET_STD)[:, None, None], persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """(..., 3, H, W) -> the same shape, float32."""
        return (frames - self.mean).div_(self.std)
