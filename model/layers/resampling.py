"""Tables over the grid of a person crop, resampled to another grid."""

import torch.nn.functional as F
from torch import Tensor


def resampled_weights(weights: Tensor, grid: tuple[int, ...]) -> Tensor:
    """Weights of a weighted sum over places, (C, h, w), for a grid of other rows and columns; their sum is kept."""
    before = weights.shape[1] * weights.shape[2]
    finer = F.interpolate(weights[None], size=grid, mode="area")[0]
    return finer * (before / (grid[0] * grid[1]))
