"""The video baselines that published systems are measured against: a trunk, a temporal pooling, nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from model.layers.frame_trunk import FrameTrunk, TrunkName
from model.layers.map_sizes import map_sizes
from model.layers.temporal_pooling import PoolingName, make_pooling, usual_last_stride
from model.losses.batch_hard import batch_hard_triplet
from model.losses.identity import identity_loss
from model.systems.bounds import Frames, Part, Pixels, Weight
from model.systems.system import Batch, System, frames_of


@dataclass(frozen=True, slots=True)
class BaselineConfig:
    """Temporal pooling on ResNet-50, the row "R50 TP" of COSAM's tables."""

    trunk: TrunkName = "resnet50"
    # None: `usual_last_stride`, COSAM's own, so that a comparison shows COSAM's modules alone. The figures in its
    # tables were found with 2, on 224 x 112 (`baseline.toml`).
    last_stride: Literal[1, 2] | None = None
    pooling: PoolingName = "average"  # TP "average", TA "attention", RNN "rnn"
    frames: Frames = 4  # of the clips in training, and of a whole track's snippets; any number can be asked for
    height: Pixels = 256
    width: Pixels = 128
    smoothing: Part = 0.1
    margin: Weight | None = 0.3  # a distance, or None for the soft margin
    triplet_weight: Weight = 1


class Baseline(System):
    """Clips of any length -> the pooled vector, which classifier, triplets and retrieval all use: no batch-norm neck.

    Source: the baselines of Subramaniam et al., "Co-segmentation Inspired Attention Networks for Video-based Person
    Re-identification", ICCV 2019, tables 2 and 4, which go back to Gao and Nevatia (jiyanggao/Video-Person-ReID).
    Whole tracks are tested as COSAM's: in snippets of T frames, the last one begun again, whose features are averaged.
    Assumed: that layers begin as torch draws them.
    """

    fixed = False
    in_snippets = True

    def __init__(self, config: BaselineConfig) -> None:
        super().__init__()
        self.config = config
        self.frames = config.frames
        stride = config.last_stride or usual_last_stride(config.pooling, config.trunk)
        self.trunk = FrameTrunk(config.trunk, last_stride=stride)
        size = map_sizes(self.trunk, config.height, config.width)[-1]
        self.pooling = make_pooling(config.pooling, self.trunk.channels[-1], size)
        self.dimension = self.pooling.dimension

    def features(self, clips: Tensor) -> Tensor:
        """Clips (B, T, 3, H, W) -> (B, D), D the trunk's channels, or 512 after an RNN.

        Raises:
            ValueError: frames of another size, or none.
        """
        frames = frames_of(clips, self.config.height, self.config.width)
        maps = self.trunk(frames).unflatten(0, clips.shape[:2])  # (B, T, C, h, w)
        pooled: Tensor = self.pooling(maps)
        return pooled

    def training_heads(self, n_persons: int) -> nn.Module:
        return nn.Linear(self.dimension, n_persons)

    def losses(self, batch: Batch, heads: nn.Module) -> Mapping[str, Tensor]:
        config, features = self.config, self.features(batch.clips)
        terms = vector_losses(features, heads(features), batch.person, config.smoothing, config.margin)
        return {**terms, "triplet": config.triplet_weight * terms["triplet"]}


def vector_losses(
    features: Tensor, logits: Tensor, person: Tensor, smoothing: float, margin: float | None
) -> dict[str, Tensor]:
    """Label-smoothed cross-entropy and batch-hard triplets of one vector (B, D) and its logits (B, P)."""
    own = torch.zeros_like(person)  # everybody is of one data set
    everybody = own.new_zeros(logits.shape[1])
    return {
        "identity": identity_loss(logits, person, everybody, own, smoothing),
        "triplet": batch_hard_triplet(features, person, margin=margin),
    }
