"""One feature of each region: attention pooling of patch tokens, bounded by the region's weights."""

import math

import torch
from torch import Tensor, nn


class RegionPool(nn.Module):
    """Attention pooling of patch tokens over regions, with one learned query for all of them.

    A patch l of a region with weights w gets attention in proportion to w_l exp(q . t_l / sqrt(C)), that is the softmax
    of score + log w: the region says where to look, the query what is worth looking at there. The query begins at zero,
    where the pooling is the plain weighted mean.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(channels))

    def forward(self, tokens: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Features of regions.

        Args:
            tokens: (F, L, C), any float type.
            weights: (F, R, L), at least 0; 0 keeps a patch out. Only their ratios within a region count.

        Returns:
            features: (F, R, C), float32 at least; 0 for a region without any patch, with no gradient through it.
            visible: bool (F, R), whether the region has a patch at all.
        """
        return pool_regions(tokens, weights, self.query)


def pool_regions(tokens: Tensor, weights: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
    """`RegionPool` as a function of its query (C,)."""
    # Written out in float32, because under autocast a product of small weights would be rounded to 8 bits.
    with torch.autocast(tokens.device.type, enabled=False):
        kind = torch.promote_types(tokens.dtype, torch.float32)
        tokens, weights = tokens.to(kind), weights.to(kind)
        attention, visible = region_attention(tokens, weights, query.to(kind))
        return attention @ tokens, visible  # (F, R, L) x (F, L, C) -> (F, R, C)


def region_attention(tokens: Tensor, weights: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
    """How much each region looks at each patch: (F, L, C), (F, R, L), (C,) -> (F, R, L), bool (F, R).

    Sums to 1 over the patches of a visible region, and is 0 for one that is not.
    """
    inside = weights > 0
    visible = inside.any(dim=-1)
    scores = (tokens @ query / math.sqrt(tokens.shape[-1]))[:, None]  # (F, 1, L)
    # A softmax over nothing is not a number, and so is its gradient: such regions look everywhere, then nowhere.
    outside = torch.where(visible[..., None], -torch.inf, 0.0)
    logits = torch.where(inside, scores + torch.where(inside, weights, 1.0).log(), outside)
    return logits.softmax(dim=-1) * visible[..., None], visible
