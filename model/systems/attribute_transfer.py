"""Attribute transfer: what a data set with attributes teaches about the people of one without."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.layers.frame_trunk import FrameTrunk, TrunkName
from model.losses.mmd import mmd
from model.losses.weighted_bce import weighted_bce
from model.systems.bounds import Count, Pixels, Weight, check_trunk


@dataclass(frozen=True, slots=True)
class AttributeTransferConfig:
    """Only `attributes` and `alpha` are published, the rest is assumed: see `AttributeTransfer`."""

    trunk: TrunkName = "resnet50"
    last_stride: Literal[1, 2] = 2
    height: Pixels = 256  # pixels of a picture
    width: Pixels = 128
    attributes: Count = 68  # those of RAP that belong to a person and not to a moment
    feature: Count = 512  # numbers of the attribute feature F
    sigma: float = 0.5  # of the weighted binary cross-entropy
    alpha: float = 0.5  # of the discrepancy's kernel
    unit: bool = True  # whether F is made a unit vector for the discrepancy; False: as printed
    mmd_weight: Weight = 1.0  # of the discrepancy beside the binary cross-entropy

    def __post_init__(self) -> None:
        for name, value in (("sigma", self.sigma), ("alpha", self.alpha)):
            if not value > 0:
                raise ValueError(f"{name} is above 0, got {value}: use 0.5")
        check_trunk(self.trunk, self.last_stride, self.height, self.width)


class AttributeTransfer(nn.Module):
    """A network that predicts attributes of single pictures, trained on two data sets of which one has labels.

    Trunk, average pooling, attribute feature F, prediction layer. Labelled pictures teach the attributes; F of both
    data sets is drawn together, so that what is predicted holds on the other too.

    Source: "Attribute-driven feature disentangling and temporal aggregation", CVPR 2019: WBCE + MMD.
    **Assumptions**, where the paper is silent:

    - The trunk, size of pictures and last stride of the re-identification net; F is one layer of 512 numbers with
      nothing after it; both losses weigh 1.
    - sigma of the weighted cross-entropy is the paper's other sigma, 0.5.
    - F is made a unit vector before the discrepancy: with alpha 0.5, features some units apart have no gradient left.
    """

    positive_ratio: Tensor

    def __init__(self, config: AttributeTransferConfig, positive_ratio: Tensor) -> None:
        """`positive_ratio`: (A,), the share of labelled pictures that have each attribute.

        Raises:
            ValueError: it tells of another number of attributes than the configuration.
        """
        super().__init__()
        if positive_ratio.shape != (config.attributes,):
            raise ValueError(
                f"positive_ratio has a number for each attribute, ({config.attributes},), got "
                f"{tuple(positive_ratio.shape)}: set attributes to the number that the data have"
            )
        self.config = config
        self.trunk = FrameTrunk(config.trunk, last_stride=config.last_stride)
        self.feature = nn.Linear(self.trunk.channels[-1], config.feature)
        self.predictor = nn.Linear(config.feature, config.attributes)
        self.register_buffer("positive_ratio", positive_ratio.float())

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(F, 3, H, W), normalised -> attribute features (F, D) and logits (F, A), both float32."""
        maps: Tensor = self.trunk(images)  # (F, C, h, w)
        features: Tensor = self.feature(maps.mean(dim=(2, 3)))
        logits: Tensor = self.predictor(features)
        return features.float(), logits.float()

    def losses(self, source: Tensor, labels: Tensor, target: Tensor) -> Mapping[str, Tensor]:
        """Of pictures (S, 3, H, W) with labels (S, A) of 0 and 1, and pictures (N, 3, H, W) of the other data set.

        Both go through the network as one batch, so that batch norm sees both.
        """
        features, logits = self(torch.cat([source, target]))
        if self.config.unit:
            features = F.normalize(features, dim=1)
        discrepancy = mmd(features[: len(source)], features[len(source) :], alpha=self.config.alpha)
        known = logits[: len(source)]
        return {
            "attributes": weighted_bce(known, labels, self.positive_ratio, sigma=self.config.sigma),
            "mmd": self.config.mmd_weight * discrepancy,
        }

    @torch.no_grad()
    def labels(self, batches: Iterable[tuple[Tensor, Tensor]], n_persons: int) -> Tensor:
        """What each person has: the mean prediction over all frames of the person, above 0.5. In evaluation mode.

        Args:
            batches: frames (F, 3, H, W) and the person of each, (F,) int64 from 0 to n_persons - 1, in any order.

        Returns:
            (n_persons, A) of 0 and 1, float32.

        Raises:
            ValueError: a person has no frame.
        """
        device = self.positive_ratio.device
        sums = torch.zeros(n_persons, self.config.attributes, device=device)
        counts = torch.zeros(n_persons, dtype=torch.int64, device=device)
        was_training = self.training
        self.eval()
        try:
            for images, person in batches:
                sums.index_add_(0, person, self(images)[1].sigmoid())
                counts += person.bincount(minlength=n_persons)
        finally:
            self.train(was_training)
        if not counts.all():
            missing = (counts == 0).nonzero().flatten().tolist()
            raise ValueError(f"labels are told from frames, and persons {missing} have none: leave them out")
        return (sums / counts[:, None] > 0.5).float()
