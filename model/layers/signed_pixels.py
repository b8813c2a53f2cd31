"""Pictures as they are fed to trunks, and as networks that draw have them: values -1 to 1, at a size of their own."""

import torch.nn.functional as F
from torch import Tensor

from model.vills.config import IMAGENET_MEAN, IMAGENET_STD


def signed(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """ImageNet-normalised frames (F, 3, H, W) -> values -1 to 1, at another H and W."""
    mean, std = _statistics(frames)
    return _resized(2 * (frames * std + mean) - 1, size)


def normalised(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """The way back from `signed`."""
    mean, std = _statistics(frames)
    return (_resized((frames + 1) / 2, size) - mean) / std


def _statistics(frames: Tensor) -> tuple[Tensor, Tensor]:
    """ImageNet's mean and standard deviation, (3, 1, 1) each."""
    return frames.new_tensor(IMAGENET_MEAN)[:, None, None], frames.new_tensor(IMAGENET_STD)[:, None, None]


def _resized(frames: Tensor, size: tuple[int, int]) -> Tensor:
    if frames.shape[2:] == size:
        return frames
    return F.interpolate(frames, size, mode="bilinear", antialias=True)


def as_pixels(frames: Tensor) -> Tensor:
    """ImageNet-normalised frames (F, 3, H, W) -> 0-255, (F, H, W, 3), uint8; what is beyond is cut off."""
    pixels = (signed(frames, (frames.shape[2], frames.shape[3])) + 1) * 127.5
    return pixels.round().clamp(0, 255).byte().permute(0, 2, 3, 1)
