"""From the maps of a clip's frames to one vector: the three aggregations of the video baselines."""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.layers.frame_trunk import TrunkName
from model.losses.precision import in_float32

PoolingName = Literal["average", "attention", "rnn"]


@in_float32
def spatial_average(maps: Tensor) -> Tensor:
    """(..., C, h, w) -> (..., C), float32 or better."""
    return maps.mean(dim=(-2, -1))


class TemporalPooling(nn.Module):
    """Maps of clips, (B, T, C, h, w) -> (B, D)."""

    dimension: int  # D


class AveragePooling(TemporalPooling):
    """TP: the mean over the map, then over the frames. Tells no order; a still clip gives its frame's vector."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dimension = channels

    def forward(self, maps: Tensor) -> Tensor:
        return spatial_average(maps).mean(dim=1)


class AttentionPooling(TemporalPooling):
    """TA: a weighted mean over the frames, the weights told by the whole maps of a frame and its two neighbours.

    A convolution as large as the map to 256 numbers a frame, ReLU, a convolution over time (kernel 3) to one number,
    ReLU, softmax over the frames. What is weighted are the spatial averages; beyond the clip's ends there are zeros,
    so that each frame has a weight. Assumed: maps of another size than the programs' have a convolution of their own.
    """

    hidden = 256

    def __init__(self, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.dimension = channels
        self.look = nn.Conv2d(channels, self.hidden, size)
        self.score = nn.Conv1d(self.hidden, 1, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        seen = F.relu(self.look(maps.flatten(0, 1))).view(*maps.shape[:2], self.hidden)  # (B, T, 256)
        scores = F.relu(self.score(seen.transpose(1, 2))).squeeze(1)  # (B, T)
        return weighted_mean(spatial_average(maps), scores)


class RecurrentPooling(TemporalPooling):
    """RNN: one LSTM over the frames' spatial averages, and the mean of its outputs, 512 numbers.

    In float32 whatever autocast is around it: on CPUs without AVX-512 torch has no LSTM of bfloat16.
    """

    dimension = 512

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, self.dimension, batch_first=True)

    def forward(self, maps: Tensor) -> Tensor:
        with torch.autocast(maps.device.type, enabled=False):
            outputs, _ = self.lstm(spatial_average(maps).to(self.lstm.all_weights[0][0].dtype))  # (B, T, 512)
        return _over_time(outputs)


def make_pooling(name: PoolingName, channels: int, size: tuple[int, int]) -> TemporalPooling:
    """`size`: (h, w) of the maps, which attention is built for; the others take any.

    Raises:
        ValueError: no pooling has that name.
    """
    if name == "average":
        return AveragePooling(channels)
    if name == "attention":
        return AttentionPooling(channels, size)
    if name == "rnn":
        return RecurrentPooling(channels)
    raise ValueError(f"no temporal pooling is called {name!r}: use one of {', '.join(get_args(PoolingName))}")


def usual_last_stride(pooling: PoolingName, trunk: TrunkName) -> Literal[1, 2]:
    """Of the trunk's last stage, as in the code of COSAM's authors: 1, but 2 before attention.

    Attention's convolution is as large as the map, and with 2 it has a quarter of the weights. inception_v3 has no 1.
    """
    return 2 if pooling == "attention" or trunk == "inception_v3" else 1


@in_float32
def weighted_mean(frames: Tensor, scores: Tensor) -> Tensor:
    """Of vectors (B, T, D) by the softmax of the scores (B, T) over the frames -> (B, D)."""
    return torch.einsum("btd,bt->bd", frames, scores.softmax(dim=1))


@in_float32
def _over_time(outputs: Tensor) -> Tensor:
    return outputs.mean(dim=1)
