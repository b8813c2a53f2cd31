"""Geometry of views that show a box of a crop each."""

import torch
from torch import Tensor

Box = tuple[float, float, float, float]  # left, top, width, height, in shares of the crop; what lies beyond is padding


def view(box: Box, mirrored: bool = False) -> Tensor:
    """From view to crop: (1, 2, 3). A mirrored view begins at the box's right edge and goes left."""
    left, top, width, height = box
    across = [-width, 0.0, left + width] if mirrored else [width, 0.0, left]
    return torch.tensor([[across, [0.0, height, top]]])
