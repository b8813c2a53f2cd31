"""Finding the same region in another view of a picture, through the known geometry of the augmentation.

A view's geometry is the affine matrix (2, 3) that takes a point (x, y, 1) of the view, in shares of its width and
height, to the point of the original crop that is seen there; crop, resize and mirroring are all of this kind. A region
is a piece of the person's surface: it keeps its name in a mirrored view, where the left arm appears as a right one.

Letters: N views, P points, R regions, h and w cells of masks of the original.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from model.regions.errors import BadRegions


def to_original(points: Tensor, geometry: Tensor) -> Tensor:
    """Points of views to the original: float32 (N, P, 2), (N, 2, 3) -> (N, P, 2)."""
    _check(geometry, len(points))
    return points @ geometry[:, :, :2].transpose(1, 2) + geometry[:, None, :, 2]


def to_view(points: Tensor, geometry: Tensor) -> Tensor:
    """Points of the original to views: the inverse of `to_original`."""
    return to_original(points, inverse(geometry))


def inverse(geometry: Tensor) -> Tensor:
    """The way back: from points of the original to points of the view, (N, 2, 3).

    Raises:
        BadRegions: a view without area.
    """
    _check(geometry, len(geometry))
    (a, b, x), (c, d, y) = (row.unbind(dim=1) for row in geometry.unbind(dim=1))
    area = a * d - b * c
    if (area.abs() < 1e-9).any():
        raise BadRegions("a view shows an area of nothing, so no point can be found in it: draw a larger box")
    linear = torch.stack([torch.stack([d, -b], dim=1), torch.stack([-c, a], dim=1)], dim=1) / area[:, None, None]
    return torch.cat([linear, -linear @ torch.stack([x, y], dim=1)[:, :, None]], dim=2)


def between(source: Tensor, target: Tensor) -> Tensor:
    """Geometry of view `target` as if view `source` were the original: (N, 2, 3), (N, 2, 3) -> (N, 2, 3).

    With it, `warp_masks` carries regions found in one view (by a teacher's tokens, say) into another.
    """
    back = inverse(source)
    linear = back[:, :, :2] @ target[:, :, :2]
    return torch.cat([linear, back[:, :, :2] @ target[:, :, 2:] + back[:, :, 2:]], dim=2)


def warp_masks(masks: Tensor, geometry: Tensor, grid: tuple[int, int], *, samples: int = 2) -> tuple[Tensor, Tensor]:
    """Carry masks of the original onto the patches of a view.

    Args:
        masks: float (N, R, h, w) in [0, 1] over the whole original.
        geometry: float32 (N, 2, 3).
        grid: patches of the view, down and across.
        samples: each patch is the mean of samples x samples points, read bilinearly.

    Returns:
        weights: float32 (N, R, down, across), 0 where the view shows what lies outside the original.
        shown: float32 (N, down, across), the share of each patch that lies inside the original.

    Raises:
        BadRegions: other shapes.
    """
    _check(geometry, len(masks))
    down, across = grid
    y, x = ((torch.arange(n * samples, device=masks.device) + 0.5) / (n * samples) for n in grid)
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    points = torch.stack([columns, rows], dim=-1).view(1, -1, 2).expand(len(masks), -1, -1)
    seen = to_original(points, geometry.float())  # (N, P, 2)
    inside = ((seen >= 0) & (seen <= 1)).all(dim=-1).float()  # (N, P)
    # "border": half a cell at the edge has one neighbour only, and must not fade towards nothing.
    values = F.grid_sample(
        masks.float(), (2 * seen - 1)[:, None], mode="bilinear", padding_mode="border", align_corners=False
    )  # (N, R, 1, P)
    fine = torch.cat([values[:, :, 0] * inside[:, None], inside[:, None]], dim=1)
    patches = F.avg_pool2d(fine.view(len(masks), -1, down * samples, across * samples), samples)
    return patches[:, :-1], patches[:, -1]


def seen_share(masks: Tensor, warped: Tensor, geometry: Tensor) -> Tensor:
    """How much of each region a view shows, 0 to about 1: masks (N, R, h, w), `warp_masks` of them -> (N, R).

    A region that a view cuts to a sliver says little about it: choose those of which both views show enough.
    """
    area = torch.linalg.det(geometry[:, :, :2].float()).abs()[:, None]  # of the view, in originals
    whole = masks.float().mean(dim=(2, 3))
    return torch.where(whole > 0, area * warped.mean(dim=(2, 3)) / whole.clamp_min(1e-9), 0.0)


def _check(geometry: Tensor, views: int) -> None:
    if geometry.shape != (views, 2, 3):
        raise BadRegions(f"geometry must be ({views}, 2, 3), one matrix a view, got {tuple(geometry.shape)}")
