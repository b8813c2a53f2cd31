"""TKP: a network for images learns from a network for clips, which sees the same frames and their neighbours.

Source: Gu et al., "Temporal Knowledge Propagation for Image-to-Video Person Re-identification", ICCV 2019, and their
program (guxinqian/TKP), which tells what the paper leaves open: how non-local blocks and the classifier are drawn, that
the cross-entropies of clips and of images are two means, added, and that the images of a step are the frames of its
clips. A video of one frame goes through the network for images here, as a picture does; the program sends every video
through the other one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.layers.frame_trunk import FrameTrunk, TrunkName
from model.layers.non_local_trunk import NonLocalTrunk
from model.losses.precision import in_float32
from model.losses.propagation import distance_propagation, feature_propagation
from model.losses.triplet import four_pairings
from model.systems.bounds import Count, Frames, Pixels, Weight
from model.systems.system import Batch, System, frames_of

FEWEST = 3  # frames of a clip: cut into twos, a track of three leaves one, which would count as an image


@dataclass(frozen=True, slots=True)
class TkpConfig:
    """The paper's numbers. Its baseline has both weights at 0, its TKP-F the distance's, its TKP-D the feature's."""

    trunk: TrunkName = "resnet50"
    last_stride: Literal[1, 2] = 1
    height: Pixels = 256
    width: Pixels = 128
    frames: Frames = 4
    longest: Count = 32  # frames that the video network sees at once at retrieval: longer clips are cut
    margin: Weight = 0.3  # the code's: the paper leaves it unnamed
    feature_weight: Weight = 1.0  # of feature propagation
    distance_weight: Weight = 1.0  # of distance propagation
    # "code": mean over all pairs of frames; "paper": as printed, as many times larger as there are frames. The default
    # is the code's, for it made the published results.
    distance_variant: Literal["code", "paper"] = "code"

    def __post_init__(self) -> None:
        if self.frames < FEWEST:
            raise ValueError(
                f"TKP's clips have {FEWEST} frames or more, as a single one left over would go through the network for "
                f"images, and frames is {self.frames}: raise `frames`"
            )


class Tkp(System):
    """Two networks of one shape and one feature space: a trunk for images, and a trunk with non-local blocks for clips.

    Takes clips of any length: those of one frame go through the image network, longer ones through the video network.
    The order of frames does not count, but for which of them are in one piece of `longest`.
    """

    fixed = False

    def __init__(self, config: TkpConfig) -> None:
        super().__init__()
        self.config = config
        self.frames = config.frames
        self.image_net = FrameTrunk(config.trunk, last_stride=config.last_stride)
        self.video_net = NonLocalTrunk(FrameTrunk(config.trunk, last_stride=config.last_stride), fan_out=True)
        self.dimension = self.video_net.channels

    def features(self, clips: Tensor) -> Tensor:
        """(B, T, 3, H, W) -> (B, D). All frames count alike, those of a short last piece too."""
        images = frames_of(clips, self.config.height, self.config.width)
        if clips.shape[1] == 1:
            return self.of_images(images)
        pieces = [self.of_frames(piece) for piece in torch.split(clips, self.config.longest, dim=1)]
        return torch.cat(pieces, dim=1).mean(dim=1)

    def of_images(self, images: Tensor) -> Tensor:
        """i, each picture alone: (F, 3, H, W) -> (F, D)."""
        return _over_space(self.image_net(images))

    def of_frames(self, clips: Tensor) -> Tensor:
        """f, each frame as part of its clip: (B, T, 3, H, W) -> (B, T, D)."""
        return _over_space(self.video_net(clips))

    def training_heads(self, n_persons: int) -> nn.Module:
        classifier = nn.Linear(self.dimension, n_persons)
        nn.init.normal_(classifier.weight, std=0.001)
        nn.init.zeros_(classifier.bias)
        return classifier

    def losses(self, batch: Batch, heads: nn.Module) -> Mapping[str, Tensor]:
        """The classifier is shared by images and clips; no gradient of the propagation goes to the video network."""
        config, shown = self.config, batch.person.repeat_interleave(batch.clips.shape[1])  # (F,)
        image = self.of_images(frames_of(batch.clips, config.height, config.width))  # (F, D)
        frame = self.of_frames(batch.clips)  # (B, T, D)
        video = frame.mean(dim=1)  # (B, D)
        of_video, of_image = heads(video).float(), heads(image).float()  # (B, P), (F, P)
        losses = {
            "identity": F.cross_entropy(of_video, batch.person) + F.cross_entropy(of_image, shown),
            "triplet": four_pairings(image, video, shown, batch.person, margin=config.margin, reduction="sum"),
        }
        frame = frame.flatten(0, 1)  # (F, D)
        if config.feature_weight:
            losses["feature"] = config.feature_weight * feature_propagation(image, frame)
        if config.distance_weight:
            distance = distance_propagation(image, frame, variant=config.distance_variant)
            losses["distance"] = config.distance_weight * distance
        return losses


@in_float32
def _over_space(maps: Tensor) -> Tensor:
    """(..., h, w) -> (...), in float32: the differences of these vectors are what all losses are about."""
    return maps.mean(dim=(-2, -1))
