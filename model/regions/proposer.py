"""What every region proposer is asked and what it answers.

A proposer is made for one batch of B pictures from whatever it knows of them (keypoints and person masks, or a
teacher's tokens) and then answers prompts. Letters: B pictures, R regions of each, H and W cells down and across.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from model.regions.errors import BadRegions


@dataclass(frozen=True, slots=True)
class Prompts:
    """Points that ask for a region each.

    Coordinates are (x, y) of the picture: (0, 0) its top left corner, (1, 1) its bottom right one.

    Raises:
        BadRegions: shapes that do not belong together.
    """

    points: Tensor  # float32 (B, R, 2); outside [0, 1] is outside the picture
    visibility: Tensor  # float32 (B, R) in [0, 1]; 0: there is no such prompt

    def __post_init__(self) -> None:
        if self.points.ndim != 3 or self.points.shape[-1] != 2 or self.points.shape[:2] != self.visibility.shape:
            raise BadRegions(
                "prompts are points (B, R, 2) with visibility (B, R), got "
                f"{tuple(self.points.shape)} and {tuple(self.visibility.shape)}: give each point one visibility"
            )

    @property
    def inside(self) -> Tensor:
        """Which points ask for something that lies in the picture: bool (B, R)."""
        within = ((self.points >= 0) & (self.points <= 1)).all(dim=-1)
        return within & (self.visibility > 0)


@dataclass(frozen=True, slots=True)
class RegionMasks:
    """Where the regions of each picture lie."""

    weights: Tensor  # float32 (B, R, H, W) in [0, 1]: how far a cell belongs to the region
    found: Tensor  # bool (B, R); where False, all weights are 0

    @property
    def flat(self) -> Tensor:
        """The weights in the order of patch tokens: (B, R, L), L = H * W, row after row."""
        return self.weights.flatten(2)


class RegionProposer(Protocol):
    """Turns points on the pictures it was made for into regions of them."""

    def propose(self, prompts: Prompts) -> RegionMasks:
        """Regions (B, R, H, W) of prompts (B, R), on the proposer's own grid. No gradient flows into them."""
        ...


def found_only(weights: Tensor, found: Tensor) -> RegionMasks:
    """Masks whose weights are 0 wherever the region was not found: (B, R, H, W), bool (B, R)."""
    return RegionMasks(torch.where(found[:, :, None, None], weights, 0.0), found)
