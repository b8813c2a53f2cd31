"""What two rows of a batch have to do with one another: their distance, their angle, their track."""

import torch
import torch.nn.functional as F
from torch import Tensor


def distances(rows: Tensor, others: Tensor) -> Tensor:
    """Euclidean distances: (A, D), (N, D) -> (A, N).

    Subtracts before it squares, so that near rows keep their digits, and equal rows have a gradient of 0.
    """
    return torch.cdist(rows, others, compute_mode="donot_use_mm_for_euclid_dist")


def cosines(rows: Tensor) -> Tensor:
    """Cosine of each row with each: (B, D) -> (B, B)."""
    unit = F.normalize(rows, dim=1)
    return unit @ unit.T


def same_track(track: Tensor, other: Tensor) -> Tensor:
    """Whether two rows are known to be of one track: (A,), (N,) -> (A, N) bool. A track below 0 is not known."""
    return (track[:, None] == other[None]) & (track[:, None] >= 0)


def others(rows: Tensor) -> Tensor:
    """All but the row itself: (B, ...) -> (B, B) bool, False on the diagonal."""
    return ~torch.eye(len(rows), dtype=torch.bool, device=rows.device)


def nothing(*tensors: Tensor) -> Tensor:
    """Exactly 0, with a gradient of exactly 0 to each tensor, whatever it holds."""
    return torch.stack([tensor[:0].sum() for tensor in tensors]).sum()
