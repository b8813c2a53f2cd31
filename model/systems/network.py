"""A published system as a network like any other: pixels and masks in, unit vectors out."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from model.layers.clip_layout import ClipLayout
from model.layers.imagenet_pixels import ImagenetPixels
from model.layers.resampling import enlarged_middle
from model.network import ReidNetwork
from model.systems.config import SystemConfig
from model.systems.registry import SYSTEMS


class SystemNetwork(ReidNetwork):
    """Clips of person crops to unit vectors, whatever number of frames the system takes at once.

    Crops are normalised by ImageNet's mean and deviation, as the trunks' published weights want them.

    Letters: B clips, T frames, n real frames of one clip, D embedding.
    """

    config: SystemConfig

    def __init__(self, config: SystemConfig) -> None:
        super().__init__()
        self.config = config
        self.system = SYSTEMS[config.name].system(config.settings)
        self.dimension = self.system.dimension
        self._pixels = ImagenetPixels()  # the same for every system
        self._cut = self.system.fixed  # whether a clip is cut into snippets

    def show_whole(self) -> None:
        """From now on each clip is a whole track: it is cut into snippets where the paper tests by those."""
        self._cut = self.system.fixed or self.system.in_snippets

    def forward(self, clips: Tensor, mask: Tensor) -> Tensor:
        """Embed clips: RGB 0-255, uint8 or float, (B, T, 3, H, W), and bool mask (B, T) -> (B, D), unit length."""
        return F.normalize(self.features(clips, mask), dim=-1)

    def features(self, clips: Tensor, mask: Tensor) -> Tensor:
        """The mean of the features of each clip's snippets: (B, T, 3, H, W), (B, T) -> (B, D), float32.

        A system that takes any number of frames gets a clip whole, unless `show_whole` says otherwise. One that takes a
        fixed number gets snippets of that many, none shared; the last one, and a clip that is too short, begin again
        until they are long enough.
        """
        layout = ClipLayout(mask)
        frames = self.normalise(layout.pack(clips))  # (F, 3, H, W)
        if self.system.middle < 1:
            frames = enlarged_middle(frames, self.system.middle)
        sums = frames.new_zeros(layout.n_clips, self.dimension, dtype=torch.float32)
        counts = sums.new_zeros(layout.n_clips, 1)
        for rows, owners in self._snippets(layout.lengths.tolist()):
            owner = torch.tensor(owners, device=sums.device)
            found = self.system.features(frames[torch.tensor(rows, device=frames.device)]).float()
            sums = sums.index_add(0, owner, found)
            counts = counts.index_add(0, owner, counts.new_ones(len(owner), 1))
        return sums / counts

    def normalise(self, frames: Tensor) -> Tensor:
        """Pixels 0-255 to what a trunk is fed: same shape out, float32."""
        normal: Tensor = self._pixels(frames)
        return normal

    def _snippets(self, lengths: list[int]) -> Iterator[tuple[list[list[int]], list[int]]]:
        """Snippets of one length at a time: rows of the packed frames, and which clip each snippet is of."""
        found: dict[int, tuple[list[list[int]], list[int]]] = {}
        first = 0
        for owner, length in enumerate(lengths):
            for places in snippet_places(length, self.system.frames if self._cut else None):
                rows, owners = found.setdefault(len(places), ([], []))
                rows.append([first + place for place in places])
                owners.append(owner)
            first += length
        yield from found.values()


def snippet_places(length: int, frames: int | None) -> list[list[int]]:
    """Places of a clip's frames in each of its snippets: all in one for None, else `frames` in each."""
    if frames is None:
        return [list(range(length))]
    starts = range(0, length, frames)
    return [[start + place % min(frames, length - start) for place in range(frames)] for start in starts]
