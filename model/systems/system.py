"""What a published system is to the rest of the product."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

# Clips of fewer than T frames: "again", from their beginning until there are T; or "as they are". It matters to systems
# whose convolutions over time see zeros beyond a clip: to those a picture would be another thing than a clip.
ShortClips = Literal["again", "as they are"]


@dataclass(frozen=True, slots=True)
class Batch:
    """What a training step shows: B clips of T frames, each frame real, P persons x K tracks one after the other."""

    clips: Tensor  # (B, T, 3, H, W), normalised
    person: Tensor  # (B,) int64, 0 to n_persons - 1
    track: Tensor  # (B,) int64: clips of one track have the same number
    camera: Tensor  # (B,) int64
    attributes: Tensor | None = None  # (B, A) of 0 and 1, where the data have them
    clear: Tensor | None = None  # (B, T) bool: frames without an occluded band, where a stage learns from these alone


class System(nn.Module, ABC):
    """A network of one published paper: clips to features.

    frames: T of the clips that the paper trains on. fixed: whether every clip has to have exactly that many; whoever
    calls then cuts longer tracks into snippets, repeats frames of shorter ones, and averages the snippets' features.
    whole: whether a track is one clip of as many frames as otherwise eight clips have, and not several clips.
    in_snippets: whether its paper tests a whole track in snippets of T frames, too, though any number could be taken.
    middle: of a frame's height and width, the part in its middle that retrieval looks at, enlarged to the whole.
    """

    frames: int
    fixed: bool
    whole: bool = False
    in_snippets: bool = False
    middle: float = 1.0
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


def frames_of(clips: Tensor, height: int, width: int) -> Tensor:
    """Clips (B, T, 3, H, W) -> their frames, clip after clip, (B * T, 3, H, W).

    Raises:
        ValueError: clips without a frame, or frames of another size.
    """
    if clips.ndim != 5 or clips.shape[1] == 0 or clips.shape[2:] != (3, height, width):
        raise ValueError(
            f"clips have to be (B, T, 3, {height}, {width}) of one frame or more and are {tuple(clips.shape)}: "
            "resize the frames, or build the system for their size"
        )
    return clips.flatten(0, 1)


def begun_again(each: Tensor, frames: int, short: ShortClips) -> Tensor:
    """What was made of each frame, (B, T, ...) -> of T frames or more as it is, of fewer as `short` says."""
    if short == "as they are" or each.shape[1] >= frames:
        return each
    return each[:, torch.arange(frames, device=each.device) % each.shape[1]]
