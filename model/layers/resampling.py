"""Pictures and tables over the grid of a person crop, resampled."""

import torch.nn.functional as F
from torch import Tensor


def resampled_weights(weights: Tensor, grid: tuple[int, ...]) -> Tensor:
    """Weights of a weighted sum over places, (C, h, w), for a grid of other rows and columns; their sum is kept."""
    before = weights.shape[1] * weights.shape[2]
    finer = F.interpolate(weights[None], size=grid, mode="area")[0]
    return finer * (before / (grid[0] * grid[1]))


def enlarged_middle(frames: Tensor, part: float) -> Tensor:
    """The middle of each frame, `part` of its height and width, as large as the whole: (F, 3, H, W), float, same shape.

    Bilinear, as training's crops are (`model.data.augment`): a `part` of 1 gives every pixel back.
    """
    theta = frames.new_tensor([[part, 0, 0], [0, part, 0]]).expand(len(frames), 2, 3)
    grid = F.affine_grid(theta, list(frames.shape), align_corners=False)
    return F.grid_sample(frames, grid, mode="bilinear", padding_mode="border", align_corners=False)
