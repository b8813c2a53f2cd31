"""KoLeo: features spread over the sphere, so that no two people share a place. It must not push one person apart."""

import torch
import torch.nn.functional as F
from torch import Tensor

from model.losses.pairs import nothing, others, same_track
from model.losses.precision import in_float32

EPSILON = 1e-8  # keeps the logarithm finite where two rows coincide


@in_float32
def koleo(features: Tensor, track: Tensor) -> Tensor:
    """Each row moves away from its nearest neighbour of another track.

    With unit vectors z and n(i) the row of another track with the largest inner product with z_i::

        L = - mean_i log(||z_i - z_n(i)|| + 1e-8)        over the rows that have another track in the batch

    Give it one sample a track and one kind (images, or clips): frames of one track, or an image and its clip, belong
    together. Rows of one track are never each other's neighbour, whatever the caller does.

    Source: Sablayrolles et al., "Spreading vectors for similarity search", ICLR 2019; Oquab et al., "DINOv2", 2023,
    `KoLeoLoss` in `dinov2/loss/koleo_loss.py` of facebookresearch/dinov2 (weight 0.1). There every other row is a
    possible neighbour, and the distance has the epsilon inside too.

    Args:
        features: (B, D), of any length.
        track: (B,) int64, a number of its own for each track; below 0: not known, which is a track of its own.

    Returns:
        A scalar; exactly 0, with a gradient of 0, where no row has a neighbour. Rows that coincide have no direction
        to move apart in: they add ``-log(1e-8)`` and a gradient of 0.
    """
    if len(features) < 2:
        return nothing(features)
    unit = F.normalize(features, dim=1, eps=EPSILON)
    allowed = others(features) & ~same_track(track, track)  # (B, B)
    with torch.no_grad():
        nearest = (unit @ unit.T).masked_fill(~allowed, -torch.inf).argmax(dim=1)  # (B,)
    distance = torch.linalg.vector_norm(unit - unit[nearest], dim=1)  # (B,)
    whole = allowed.any(dim=1)  # (B,)
    return -(torch.log(distance + EPSILON) * whole).sum() / whole.sum().clamp(min=1)
