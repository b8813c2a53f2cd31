"""Tracks of a pack, each a whole video of any length: its bands are scored and drawn anew some frames at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.data.pack import PixelRows, Pixels
from model.data.training_set import Rows
from model.layers.occlusion import band_mask, band_scores, neighbours
from model.layers.signed_pixels import as_pixels, signed
from model.systems.network import SystemNetwork
from model.systems.stcnet import Windows
from model.training.batches import pictures_at
from model.training.completer import completer_of

PIECE = 64  # frames that go through a network at once

Bands = npt.NDArray[np.bool_]  # (n, K): which are occluded


@dataclass(frozen=True, slots=True)
class WholeTracks:
    """What VRSTC's completer makes of tracks given by their rows, (n,), in order of time. In float32, as in service."""

    network: SystemNetwork  # on the device, in evaluation mode
    pixels: PixelRows
    device: str

    @torch.no_grad()
    def scores(self, rows: Rows) -> Tensor:
        """How much each band looks as in the whole track: (n, K), float32, on the CPU."""
        completer = completer_of(self.network)
        pieces = [rows[first : first + PIECE] for first in range(0, len(rows), PIECE)]
        features = torch.cat([completer.features(self._frames(some)[None])[0] for some in pieces])  # (n, K, C)
        return band_scores(features[None])[0].cpu()

    def occluded(self, rows: Rows) -> Bands:
        """Which bands something hides."""
        hidden: Bands = completer_of(self.network).hidden(self.scores(rows)).numpy()
        return hidden

    @torch.no_grad()
    def redrawn(self, rows: Rows, bands: Bands) -> Iterator[tuple[Rows, Pixels]]:
        """The frames with occluded bands, some at a time: their rows, (F,), and with these drawn anew, (F, H, W, 3).

        Neighbours come from the whole track. All other pixels stay bit for bit.
        """
        hidden = torch.from_numpy(bands.any(axis=1))  # (n,)
        previous, following = (place[0] for place in neighbours(hidden[None]))  # (n,)
        for some in torch.split(hidden.nonzero()[:, 0], PIECE):
            own = rows[some.numpy()]
            windows = self._windows(rows, some, previous[some], following[some])
            occluded = torch.from_numpy(bands)[some]  # (F, K)
            drawn = completer_of(self.network).draw(self._frames(own), windows, occluded.to(self.device))
            mask = band_mask(occluded, drawn.shape[2]).permute(0, 2, 3, 1).numpy()  # (F, H, 1, 1)
            yield own, np.where(mask, as_pixels(drawn).cpu().numpy(), self.pixels[own])

    def _windows(self, rows: Rows, some: Tensor, previous: Tensor, following: Tensor) -> Windows:
        """Places in the track, (F,) each; -1 for no neighbour, where some frame stands that is not looked at."""
        size = completer_of(self.network).stcnet.config.size
        frames, before, after = (
            signed(self._frames(rows[place.numpy()]), size) for place in (some, previous, following)
        )
        return Windows(frames, before, after, (previous >= 0).to(self.device))

    def _frames(self, rows: Rows) -> Tensor:
        """(F, 3, H, W), normalised."""
        return self.network.normalise(pictures_at(self.pixels, rows, self.device))
