"""What a published system is to the rest of the product."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Batch:
    """What a training step shows: B clips of T frames, each frame real, P persons x K tracks one after the other."""

    clips: Tensor  # (B, T, 3, H, W), normalised
    person: Tensor  # (B,) int64, 0 to n_persons - 1
    track: Tensor  # (B,) int64: clips of one track have the same number
    camera: Tensor  # (B,) int64
    attributes: Tensor | None = None  # (B, A) of 0 and 1, where the data have them


class System(nn.Module, ABC):
    """A network of one published paper: clips to features.

    frames: T of the clips that the paper trains on. fixed: whether every clip has to have exactly that many; whoever
    calls then cuts longer tracks into snippets, repeats frames of shorter ones, and averages the snippets' features.
    """

    frames: int
    fixed: bool
    dimension: int  # D of a feature

    @abstractmethod
    def features(self, clips: Tensor) -> Tensor:
        """Clips (B, T, 3, H, W), normalised, each frame real -> the features that the paper retrieves by, (B, D).

        Of any length; whoever compares them makes them unit vectors.
        """

    @abstractmethod
    def training_heads(self, n_persons: int) -> nn.Module:
        """What training needs and inference does not: classifiers above all. Drawn anew."""

    @abstractmethod
    def losses(self, batch: Batch, heads: nn.Module) -> Mapping[str, Tensor]:
        """The paper's weighted loss terms of a batch, scalars; `heads` are those of `training_heads`."""
