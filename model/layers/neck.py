"""The batch-norm neck between the feature that triplets see and the embedding that is compared by angle."""

import torch.nn.functional as F
from torch import Tensor, nn


class BatchNormNeck(nn.Module):
    """Centres and scales each number over the data, then gives unit length.

    Its shift stays 0, so that angles have an origin.
    """

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(dimension)
        self.norm.bias.requires_grad_(False)

    def forward(self, features: Tensor) -> Tensor:
        """(B, D) -> (B, D), unit length, float32 or better."""
        return F.normalize(self.norm(features), dim=-1)
