"""Attention over the frames of a snippet, channel by channel: a snippet's own query, or a probe's."""

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from model.losses.precision import in_float32


class Snippets(NamedTuple):
    """What pooling needs of N snippets of T frames."""

    query: Tensor  # (N, D), what a snippet looks for
    key: Tensor  # (N, T, D), what a frame has
    value: Tensor  # (N, T, D), what it gives: unit vectors

    def every_second(self, first: int) -> "Snippets":
        """Snippets `first`, `first` + 2 and so on."""
        return Snippets(*(part[first::2] for part in self))

    def pooled(self) -> Tensor:
        """Self-pooling, each snippet by its own query: (N, D)."""
        return pool(self.query, self.key, self.value)

    def pooled_for(self, probe: "Snippets") -> Tensor:
        """Cross-pooling, each of these N snippets by the query of each of M probes: (M, N, D)."""
        return pool(probe.query[:, None], self.key[None], self.value[None])


@in_float32
def pool(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Weighted sum of values over the frames, with weights of its own for each channel.

    ::

        a_td = exp(query_d key_td) / sum_u exp(query_d key_ud);   y_d = sum_t a_td value_td

    Source: Chen et al. (snippet), CVPR 2018, by their program (dapengchen123/video_reid). The order of the frames does
    not count, nor does it if each comes twice.

    Args:
        query: (..., D); key, value: (..., T, D).

    Returns:
        (..., D).
    """
    weights = (query.unsqueeze(-2) * key).softmax(dim=-2)  # (..., T, D)
    return (weights * value).sum(dim=-2)


class SnippetPooling(nn.Module):
    """Frame features -> queries, keys and values: a linear map and a batch norm each.

    Queries are means over frames, values unit vectors frame by frame. The maps begin normal with a variance of 2 / D,
    Kaiming's by fan out, as in the version of the program that comes with logs of runs; the last one draws uniformly,
    of equal variance. No map has a bias, the norm has a shift of its own; that of the keys stays 0, as the softmax over
    frames would not notice it.
    """

    def __init__(self, channels: int, dimension: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(channels, dimension, bias=False) for _ in range(3))
        for each in (self.query, self.key, self.value):
            nn.init.kaiming_normal_(each.weight, mode="fan_out")
        self.query_norm, self.key_norm, self.value_norm = (nn.BatchNorm1d(dimension) for _ in range(3))
        self.key_norm.bias.requires_grad_(False)

    @in_float32
    def forward(self, frames: Tensor) -> Snippets:
        """(N, T, C) -> the parts of N snippets, float32 or better."""
        flat, shape = frames.flatten(0, 1), frames.shape[:2]
        query = self.query_norm(self.query(flat)).unflatten(0, shape).mean(dim=1)
        key = self.key_norm(self.key(flat)).unflatten(0, shape)
        value = self.value_norm(self.value(flat)).unflatten(0, shape)
        return Snippets(query, key, F.normalize(value, dim=-1))


class PairVerifier(nn.Module):
    """Are two vectors of one person? A batch norm and a linear map of the squares of their difference.

    The map begins near 0, normal with a deviation of 0.001, and without a shift, as in the program.
    """

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(dimension)
        self.classify = nn.Linear(dimension, 2)
        nn.init.normal_(self.classify.weight, std=0.001)
        nn.init.zeros_(self.classify.bias)

    @in_float32
    def forward(self, probe: Tensor, gallery: Tensor) -> Tensor:
        """(..., D), (..., D), broadcast -> logits of two persons and of one, (..., 2)."""
        squares = (probe - gallery).square()
        logits: Tensor = self.classify(self.norm(squares.flatten(0, -2)))
        return logits.view(*squares.shape[:-1], 2)
