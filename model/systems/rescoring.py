"""Snippet similarity with co-attention as a second look: tracks are compared pair by pair."""

from collections.abc import Sequence

import numpy as np
import torch

from model.encoder import Frames, Rescorer, Scores
from model.layers.snippet_pooling import Snippets
from model.systems.network import SystemNetwork
from model.systems.snippet import Snippet


class SnippetRescorer(Rescorer[Snippets]):
    """Cross-pooling: what is compared of a candidate depends on the query, so that no index can hold it."""

    def __init__(self, network: SystemNetwork, system: Snippet, device: torch.device) -> None:
        """The network in inference, on `device`; `system` is its own."""
        self._network = network
        self._system = system
        self._device = device

    @torch.inference_mode()
    def read(self, frames: Frames) -> Snippets:
        track = torch.from_numpy(np.ascontiguousarray(frames)).to(self._device).permute(0, 3, 1, 2)
        return self._system.encode_track(self._network.normalise(track))

    @torch.inference_mode()
    def scores(self, query: Snippets, candidates: Sequence[Snippets]) -> Scores:
        found: Scores = self._system.rescore(query, candidates).cpu().numpy()
        return found
