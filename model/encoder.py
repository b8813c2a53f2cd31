"""The one encoder interface: clips of person crops in, unit vectors out."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from model.errors import BadClip, BadEmbedding
from model.sampling import Sampling

Clips = npt.NDArray[np.uint8]  # (B, T, H, W, 3), RGB, 0-255
FrameMask = npt.NDArray[np.bool_]  # (B, T), True where a frame is real
Embeddings = npt.NDArray[np.float32]  # (B, D), unit length
Frames = npt.NDArray[np.uint8]  # (L, H, W, 3), of one track
Scores = npt.NDArray[np.float64]  # (G,), from 0 to 1
Read = TypeVar("Read")  # what a comparison keeps of a track


@dataclass(frozen=True, slots=True)
class EncoderCard:
    """What is known of an encoder and its weights; everything here ends up in the space and in `/version`."""

    name: str  # lower-case letters, digits, '-' and '.'
    dimension: int
    sampling: Sampling
    fingerprint: str  # 16 hex digits over configuration, sampling rule and weights
    trained: bool
    licence: str
    training_data: str
    calibration: tuple[float, float] | None = None  # logistic (midpoint, slope) of scores


class Rescorer(ABC, Generic[Read]):
    """A comparison of two tracks that looks at both at once: too slow for a whole gallery, and nothing to index."""

    @abstractmethod
    def read(self, frames: Frames) -> Read:
        """What is kept of a track to compare it."""

    @abstractmethod
    def scores(self, query: Read, candidates: Sequence[Read]) -> Scores:
        """How alike the query and each candidate are."""


class Encoder(ABC):
    """Turns clips into embeddings. Stateless: one object serves all requests, one call at a time."""

    card: EncoderCard
    rescorer: Rescorer[Any] | None = None  # of the few that have one

    def encode(self, clips: Clips, mask: FrameMask) -> Embeddings:
        """Embed clips of crops: uint8 RGB (B, T, H, W, 3) and their frame mask (B, T) to float32 (B, D).

        T may be anything from 1 up; T = 1 is an image. Inputs are never changed.

        Raises:
            BadClip: wrong shape or dtype, or a clip without one real frame.
            BadEmbedding: the network gave no finite vector for a clip.
            DeviceFailed: the device is gone; the process has to restart.
        """
        self._check(clips, mask)
        embeddings = self._encode(clips, mask)
        if not np.isfinite(embeddings).all():
            broken = np.flatnonzero(~np.isfinite(embeddings).all(axis=1)).tolist()
            raise BadEmbedding(
                f"{self.card.name} gave no finite unit vector for the clips {broken} of {len(clips)}: "
                "check the weights, and the description of how to feed them"
            )
        return embeddings

    @abstractmethod
    def _encode(self, clips: Clips, mask: FrameMask) -> Embeddings: ...

    def warm_up(self, batch_items: int) -> None:
        """Run the shapes that requests will bring once, so that the first request does not pay for it."""
        sampling = self.card.sampling
        for frames in sorted({1, sampling.frames}):
            # A full batch of clips costs about what a full batch of pictures does.
            for batch in sorted({1, math.ceil(batch_items / frames)}):
                shape = (batch, frames, sampling.height, sampling.width, 3)
                # Not `encode`: black pictures may well have no embedding.
                self._encode(np.zeros(shape, np.uint8), np.ones((batch, frames), np.bool_))

    def _check(self, clips: Clips, mask: FrameMask) -> None:
        height, width = self.card.sampling.height, self.card.sampling.width
        if clips.ndim != 5 or clips.shape[2:] != (height, width, 3) or clips.dtype != np.uint8:
            raise BadClip(
                f"clips must be uint8 (B, T, {height}, {width}, 3), got {clips.dtype} {clips.shape}: "
                "resize the crops to the size in the encoder's card"
            )
        if mask.shape != clips.shape[:2] or mask.dtype != np.bool_:
            raise BadClip(f"the mask must be bool {clips.shape[:2]}, got {mask.dtype} {mask.shape}")
        if clips.shape[1] == 0 or not mask.any(axis=1).all():
            raise BadClip("every clip needs at least one real frame, and one here has none: leave it out")
