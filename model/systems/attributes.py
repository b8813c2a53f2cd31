"""Attribute-driven disentangling and temporal aggregation: each part of a feature by the frames that show it best."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.layers.frame_trunk import FrameTrunk, TrunkName
from model.systems.bounds import Count, Frames, Pixels, Share, Weight
from model.systems.system import Batch, System, frames_of

# The paper's six groups, filled with what is known of drawn walkers. A column of the manifest with n values is n
# attributes, of which a person has one: group by group, column by column, values in the order of the walkers' cast.
WALKER_GROUPS: tuple[tuple[str, int], ...] = (
    ("build", 2),  # tall, stout: height and girth above the middle of their range (the paper: gender and age)
    ("head_shoulder", 6 + 4 + 4),  # hair, hair_colour, skin_colour
    ("upper_body", 8 + 8 + 14 + 14),  # upper, pattern, top_colour, second_colour
    ("lower_body", 6 + 14),  # lower, bottom_colour
    ("shoes", 3),  # shoes_colour
    ("attachments", 5 + 14),  # bag, extra_colour
)
LEAST_SIGMA = 0.07  # exp(-1 / (e sigma^2)), the least that a confidence can be, is a number of float32


@dataclass(frozen=True, slots=True)
class AttributesConfig:
    """The paper's, with ResNet-50; its ablations have ResNet-18. What it does not tell is in `Attributes`."""

    trunk: TrunkName = "resnet50"
    last_stride: Literal[1, 2] = 2
    height: Pixels = 256  # pixels of a frame
    width: Pixels = 128
    frames: Frames = 8  # T
    # Name of each group and how many attributes it has. The paper has six groups of 68 attributes of RAP together; how
    # many there are in each is not known to us, so that the default is that of data anybody can draw.
    groups: tuple[tuple[str, int], ...] = WALKER_GROUPS
    # Part of height and width that retrieval looks at. Training enlarges to 288 x 144 and crops 256 x 128 anywhere;
    # this is the crop at the centre, without which nobody asked for is as large as those learnt from. 1: no crop.
    middle: Share = 8 / 9
    segment: Count = 128  # numbers of each group's segment of fc1, and of the global one
    sigma: float = 0.5  # of the confidence; infinite: all frames count the same, the paper's variant without T
    attribute_weight: Weight = 1.0  # of the attributes' loss beside the identity loss

    def __post_init__(self) -> None:
        names = [name for name, _ in self.groups]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"groups of attributes have a name each, and there is at least one: got {names}")
        for name, size in self.groups:
            if size < 1:
                raise ValueError(f"a group has at least one attribute: leave {name!r} out, which has {size}")
        if not self.sigma >= LEAST_SIGMA:
            raise ValueError(
                f"sigma is {LEAST_SIGMA} or more, as below it every confidence may round to 0, and is {self.sigma}: "
                "use 0.5, or inf for frames that count the same"
            )


class Attributes(System):
    """Segments of one frame feature, a group of attributes for each: merged over a clip by who is sure of them.

    Every frame goes through trunk, average pooling and one layer fc1, which is cut into a segment for each group and
    a global one. A predictor tells a group's attributes from its segment, and a frame counts for the group's merged
    segment by how little doubt the predictor is in (`frame_weights`); the global one is the plain mean. The feature
    is all merged segments in a row. Frames may come in any order and number.

    Source: "Attribute-driven feature disentangling and temporal aggregation", CVPR 2019. No code of the
    authors was found. **Assumptions**, where the paper is silent:

    - Segments are of one width, 128 numbers (`segment`), so fc1 is 896 wide with six groups; nothing comes after it.
    - The trunk keeps its last stride.
    - A group's binary cross-entropy is the mean over its attributes, and over the batch; groups are summed, and the
      sum has the weight 1 beside the identity loss.
    """

    fixed = False

    def __init__(self, config: AttributesConfig) -> None:
        super().__init__()
        self.config = config
        self.frames = config.frames
        self.middle = config.middle
        self.trunk = FrameTrunk(config.trunk, last_stride=config.last_stride)
        self.dimension = (len(config.groups) + 1) * config.segment
        self.fc1 = nn.Linear(self.trunk.channels[-1], self.dimension)
        # Not heads of training: the weights of the frames come from them.
        self.predictors = nn.ModuleList(nn.Linear(config.segment, size) for _, size in config.groups)

    def features(self, clips: Tensor) -> Tensor:
        """(B, T, 3, H, W) -> all merged segments in a row, (B, D), float32.

        Raises:
            ValueError: frames of another size, or none.
        """
        return torch.cat(self._merged(clips), dim=1)

    def training_heads(self, n_persons: int) -> nn.Module:
        return nn.Linear(self.dimension, n_persons)

    def losses(self, batch: Batch, heads: nn.Module) -> Mapping[str, Tensor]:
        """`identity`, and `attributes` where the batch has them.

        Without attributes the predictors learn nothing, and weigh frames by chance: `sigma` is then best infinite.

        Raises:
            ValueError: the batch has other attributes than the groups.
        """
        merged = self._merged(batch.clips)
        logits: Tensor = heads(torch.cat(merged, dim=1))
        terms = {"identity": F.cross_entropy(logits.float(), batch.person)}
        if batch.attributes is not None:
            terms["attributes"] = self.config.attribute_weight * self._attribute_loss(merged, batch.attributes)
        return terms

    def _merged(self, clips: Tensor) -> list[Tensor]:
        """The merged segments, of the groups and last the global one, float32: (B, S) each."""
        maps: Tensor = self.trunk(frames_of(clips, self.config.height, self.config.width))  # (B * T, C, h, w)
        frames: Tensor = self.fc1(maps.mean(dim=(2, 3)))  # (B * T, D)
        frames = frames.float().reshape(*clips.shape[:2], -1)  # (B, T, D)
        *segments, whole = torch.split(frames, self.config.segment, dim=2)  # (B, T, S)
        merged = []
        for segment, predictor in zip(segments, self.predictors, strict=True):
            # Constants, as in the paper: the predictors learn from labels alone.
            weights = frame_weights(predictor(segment).detach(), self.config.sigma)  # (B, T)
            merged.append((weights[:, :, None] * segment).sum(dim=1))
        return [*merged, whole.mean(dim=1)]

    def _attribute_loss(self, merged: list[Tensor], attributes: Tensor) -> Tensor:
        """The sum over the groups; labels are of the merged segments, (B, A)."""
        sizes = [size for _, size in self.config.groups]
        if attributes.shape[1] != sum(sizes):
            raise ValueError(
                f"a batch has the attributes of the groups, {sum(sizes)} together, and this one has "
                f"{attributes.shape[1]}: set groups to those of the data"
            )
        losses, parts = [], torch.split(attributes, sizes, dim=1)
        for segment, predictor, labels in zip(merged[:-1], self.predictors, parts, strict=True):
            losses.append(F.binary_cross_entropy_with_logits(predictor(segment).float(), labels.float()))
        return torch.stack(losses).sum()


def frame_weights(logits: Tensor, sigma: float) -> Tensor:
    """How much each frame of a clip counts for a group of attributes: (B, T, A) -> (B, T), a clip's sum is 1.

    With probabilities p (sigmoid of the logits) of the A attributes of the group in frame t (equations 2 and 3)::

        Ent_t = 1 / A sum_i p_i log p_i      Conf_t = exp(Ent_t / sigma^2)      w_t = Conf_t / sum_u Conf_u

    As printed: there is no term of 1 - p, so that Ent is 0 at p of 0 and of 1 and lowest, -1 / e, at p = 1 / e.
    """
    logits = logits.float()
    entropy = (logits.sigmoid() * F.logsigmoid(logits)).mean(dim=2)  # (B, T)
    confidence = (entropy / sigma**2).exp()
    return confidence / confidence.sum(dim=1, keepdim=True)
