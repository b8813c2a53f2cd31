"""Where the real frames of a batch of clips lie. Padding is left out before the trunk and never computed."""

import torch
from torch import Tensor


class ClipLayout:
    """Maps between clips with padding, (B, T, ...), and their F real frames, (F, ...), clip after clip in time order.

    Real frames are moved together, so neither padding at the end nor a hole in the middle has any effect.
    """

    def __init__(self, mask: Tensor) -> None:
        """From a bool mask (B, T), True where a frame is real; every clip has at least one."""
        self.mask = mask
        self.lengths = mask.sum(dim=1)  # (B,)
        self.n_clips = mask.shape[0]
        self.longest = int(self.lengths.max())
        self.is_full = bool((self.lengths == mask.shape[1]).all())
        if not self.is_full:
            clip, _ = mask.nonzero(as_tuple=True)  # (F,)
            rank = mask.cumsum(dim=1)[mask] - 1  # (F,) place among the clip's real frames
            self._slots = clip * self.longest + rank  # (F,)

    @property
    def is_still(self) -> bool:
        """Whether no clip has more than one frame, so that there is no time to look at."""
        return self.longest == 1

    def pack(self, clips: Tensor) -> Tensor:
        """The real frames: (B, T, ...) -> (F, ...)."""
        return clips.flatten(0, 1) if self.is_full else clips[self.mask]

    def unpack(self, frames: Tensor) -> Tensor:
        """The frames of each clip, zeros after its last: (F, ...) -> (B, longest, ...)."""
        shape = (self.n_clips, self.longest, *frames.shape[1:])
        if self.is_full:
            return frames.view(shape)
        padded = frames.new_zeros(self.n_clips * self.longest, *frames.shape[1:])
        return padded.index_copy(0, self._slots, frames).view(shape)

    def repack(self, padded: Tensor) -> Tensor:
        """The inverse of `unpack`: (B, longest, ...) -> (F, ...)."""
        frames = padded.flatten(0, 1)
        return frames if self.is_full else frames.index_select(0, self._slots)

    def real(self, dtype: torch.dtype) -> Tensor:
        """1 where `unpack` put a frame and 0 where it put padding: (B, longest)."""
        steps = torch.arange(self.longest, device=self.lengths.device)
        return (steps < self.lengths[:, None]).to(dtype)

    def mean(self, frames: Tensor) -> Tensor:
        """The mean over each clip's real frames: (F, D) -> (B, D)."""
        return self.unpack(frames).sum(dim=1) / self.lengths[:, None].to(frames.dtype)
