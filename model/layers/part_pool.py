"""The part queries of LSE: each learned query looks for one part of a person and brings back its feature."""

import math

import torch
from torch import Tensor, nn


class PartPool(nn.Module):
    """Attention pooling of patch tokens, one learned query a part.

    Keys and values are the tokens themselves: a linear map before the sum over tokens is the same map after it,
    which is where the network applies it, to K vectors instead of L.
    """

    def __init__(self, channels: int, parts: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.empty(parts, channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        # Tokens come layer-normed, so unit deviation gives scores of deviation 1: parts differ from the start.
        nn.init.normal_(self.queries, std=1.0)

    def forward(self, tokens: Tensor) -> Tensor:
        """(F, L, C) -> (F, K, C)."""
        return self.attention(tokens) @ tokens  # (F, K, L) x (F, L, C) -> (F, K, C)

    def attention(self, tokens: Tensor) -> Tensor:
        """How much each part looks at each token; sums to 1 over tokens: (F, L, C) -> (F, K, L)."""
        scores = self.queries @ tokens.transpose(1, 2) / math.sqrt(tokens.shape[-1])  # (F, K, L)
        return scores.softmax(dim=-1)
