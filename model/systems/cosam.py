"""COSAM: frames of a clip show one another where the person is, as in co-segmentation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from model.layers.frame_trunk import FrameTrunk, TrunkName
from model.layers.map_sizes import map_sizes
from model.layers.temporal_pooling import PoolingName, make_pooling, spatial_average, usual_last_stride
from model.losses.precision import in_float32
from model.systems.baseline import vector_losses
from model.systems.bounds import Count, Frames, Part, Pixels, Weight
from model.systems.system import Batch, System, frames_of


@dataclass(frozen=True, slots=True)
class CosamConfig:
    """COSAM_4,5 with temporal pooling on ResNet-50.

    Where paper and code differ the default is the code's: the published numbers are the program's.
    """

    trunk: TrunkName = "resnet50"  # the paper's other one: "legacy_seresnet50"
    last_stride: Literal[1, 2] | None = None  # None: `usual_last_stride`, which is the code's
    pooling: PoolingName = "average"  # TP "average", TA "attention", RNN "rnn"
    after: tuple[int, ...] = (4, 5)  # blocks 1 to 5 that a module follows; table 3 has other sets
    frames: Frames = 4  # N; the weights depend on it, so no other number can be asked for
    height: Pixels = 256  # the same holds for the frames' size
    width: Pixels = 128
    reduced: Count = 256  # D_R, channels that are correlated
    reduced_narrow: Count = 64  # D_R after blocks of at most 256 channels: the code; the paper has 256 everywhere
    # The cost volume becomes a mask by two convolutions with batch norm and ReLU between (code), or by one (paper).
    summary_layers: Literal[1, 2] = 2
    channel: Literal["residual", "plain"] = "residual"  # x + x * a (code), or x * a (paper)
    smoothing: Part = 0.1  # the code's; the paper names none
    margin: Weight | None = 0.3  # the code's, as the paper leaves it open; None is the soft margin
    triplet_weight: Weight = 1  # lambda

    def __post_init__(self) -> None:
        if len(set(self.after)) != len(self.after) or not set(self.after) <= set(range(1, 6)):
            raise ValueError(f"modules follow blocks 1 to 5, each once at most, and not {self.after}: mend `after`")
        if self.frames < 2:
            raise ValueError(f"COSAM compares frames of a clip and needs at least 2, not {self.frames}: raise `frames`")


@in_float32
def cost_volume(maps: Tensor) -> Tensor:
    """How like each place of a frame is to every place of the other frames.

    With the K channels P of a place and Q of another, mu their mean and sigma their standard deviation over channels::

        NCC(P, Q) = 1 / K sum_k (P_k - mu_P) (Q_k - mu_Q) / ((sigma_P + 1e-4) (sigma_Q + 1e-4))

    sigma divides by K, so that NCC(P, P) is 1 (the program's by K - 1). Channels go through the other frames in time
    order, and in each row by row.

    Args:
        maps: (B, N, K, h, w).

    Returns:
        (B, N, (N - 1) * h * w, h, w), from -1 to 1.
    """
    n_frames, channels, height, width = maps.shape[1:]
    scale = maps.std(dim=2, correction=0, keepdim=True) + 1e-4  # (B, N, 1, h, w), its gradient 0 where it is 0
    places = ((maps - maps.mean(dim=2, keepdim=True)) / scale).flatten(3)  # (B, N, K, L)
    ncc = torch.einsum("bmkp,bnkq->bnmpq", places, places) / channels  # (B, N, N, L, L): frame n's q, frame m's p
    own = torch.arange(n_frames, device=maps.device)[:, None]  # (N, 1)
    others = torch.tensor([[m for m in range(n_frames) if m != n] for n in range(n_frames)], device=maps.device)
    volume = ncc[:, own, others]  # (B, N, N - 1, L, L)
    return volume.reshape(len(maps), n_frames, -1, height, width)


class CosegmentationAttention(nn.Module):
    """The COSAM module: a mask for each frame, then one weight a channel for the whole clip.

    The mask is read off the cost volume by convolutions whose channels stand for places of the other frames: number
    and size of the frames are built in, and their order matters. The weights are told by 256 hidden numbers, whatever
    the map has (the program has 64 of them for maps of at most 256 channels, those of ResNet-50's first two blocks).
    """

    def __init__(self, channels: int, size: tuple[int, int], config: CosamConfig) -> None:
        super().__init__()
        self.residual = config.channel == "residual"
        reduced = config.reduced_narrow if channels <= 256 else config.reduced
        self.reduce = nn.Sequential(nn.Conv2d(channels, reduced, 1), nn.BatchNorm2d(reduced), nn.ReLU())
        self.summary = _summary((config.frames - 1) * size[0] * size[1], config.summary_layers)
        self.weigh = nn.Sequential(nn.Linear(channels, 256), nn.Tanh(), nn.Linear(256, channels), nn.Sigmoid())

    def forward(self, maps: Tensor) -> Tensor:
        """(B, N, C, h, w) -> the same shape."""
        clips = maps.shape[:2]
        reduced = self.reduce(maps.flatten(0, 1)).unflatten(0, clips)  # (B, N, K, h, w)
        mask: Tensor = self.summary(cost_volume(reduced).flatten(0, 1))  # (B * N, 1, h, w)
        maps = maps * mask.view(*clips, 1, *maps.shape[3:])
        weights: Tensor = self.weigh(spatial_average(maps)).mean(dim=1)  # (B, C), one for all frames
        weighed = maps * weights[:, None, :, None, None]
        return maps + weighed if self.residual else weighed


def _summary(volume: int, layers: Literal[1, 2]) -> nn.Sequential:
    if layers == 1:
        return nn.Sequential(nn.Conv2d(volume, 1, 1), nn.Sigmoid())
    return nn.Sequential(nn.Conv2d(volume, 64, 1), nn.BatchNorm2d(64), nn.ReLU(), nn.Conv2d(64, 1, 1), nn.Sigmoid())


class Cosam(System):
    """Clips of exactly N frames -> the pooled vector, which classifier, triplets and retrieval all use.

    Source: Subramaniam et al., "Co-segmentation Inspired Attention Networks for Video-based Person
    Re-identification", ICCV 2019, and InnovArul/vidreid_cosegmentation. As in the program, layers begin as
    torch draws them, and the x of the channel attention is the map that the mask was multiplied into.
    """

    fixed = True

    def __init__(self, config: CosamConfig) -> None:
        super().__init__()
        self.config = config
        self.frames = config.frames
        stride = config.last_stride or usual_last_stride(config.pooling, config.trunk)
        self.trunk = FrameTrunk(config.trunk, last_stride=stride)
        sizes = map_sizes(self.trunk, config.height, config.width)
        channels = self.trunk.channels
        self.attention = nn.ModuleDict(
            {str(n): CosegmentationAttention(channels[n - 1], sizes[n - 1], config) for n in sorted(config.after)}
        )
        self.pooling = make_pooling(config.pooling, channels[-1], sizes[-1])
        self.dimension = self.pooling.dimension

    def features(self, clips: Tensor) -> Tensor:
        """Clips (B, N, 3, H, W) -> (B, D), D the trunk's channels, or 512 after an RNN.

        Raises:
            ValueError: clips of another length, or frames of another size.
        """
        maps = frames_of(clips, self.config.height, self.config.width)
        if clips.shape[1] != self.frames:
            raise ValueError(
                f"this COSAM takes clips of exactly {self.frames} frames and was given {clips.shape[1]}: "
                "cut longer clips into snippets, repeat frames of shorter ones"
            )
        for number, stage in enumerate(self.trunk.stages, start=1):
            maps = stage(maps)  # (B * N, C, h, w)
            if str(number) in self.attention:
                maps = self.attention[str(number)](_clips(maps, self.frames)).flatten(0, 1)
        pooled: Tensor = self.pooling(_clips(maps, self.frames))
        return pooled

    def training_heads(self, n_persons: int) -> nn.Module:
        return nn.Linear(self.dimension, n_persons)

    def losses(self, batch: Batch, heads: nn.Module) -> Mapping[str, Tensor]:
        config, features = self.config, self.features(batch.clips)
        terms = vector_losses(features, heads(features), batch.person, config.smoothing, config.margin)
        return {**terms, "triplet": config.triplet_weight * terms["triplet"]}


def _clips(maps: Tensor, n_frames: int) -> Tensor:
    """(B * N, C, h, w) -> (B, N, C, h, w)."""
    return maps.view(-1, n_frames, *maps.shape[1:])
