"""VRSTC's second stage: the network that draws what is hidden of a person learns from frames in which nothing is.

Which frames these are is found once, before the first step, by the scores of whole tracks (`WholeTracks`), as it is
before the last stage. A run that goes on has it in its checkpoint.
"""

import logging
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from model.data.samplers import Draw
from model.layers.occlusion import BANDS, lower_fence
from model.systems.network import SystemNetwork
from model.systems.stcnet import STCnetHeads
from model.systems.system import Batch
from model.systems.vrstc import Guider
from model.training.completer import completer_of
from model.training.distributed import rank
from model.training.errors import BadConfig
from model.training.heads import each_picture, fit_classifier, pictures_of
from model.training.system_config import SystemRun
from model.training.system_task import SystemData, SystemModule, SystemTask
from model.training.whole_tracks import WholeTracks

logger = logging.getLogger(__name__)


class CompletionModule(SystemModule):
    """Trains the completer's STCnet alone; everything else of the network stays as it is.

    clear: (N,) bool, row for row of the pack, the pictures without an occluded band; none until they were looked for.
    """

    clear: Tensor

    def __init__(self, network: SystemNetwork, heads: nn.Module, n_pictures: int) -> None:
        super().__init__(network.requires_grad_(False), heads, averaged=False)
        completer_of(network).stcnet.requires_grad_(True)
        self.register_buffer("clear", torch.zeros(n_pictures, dtype=torch.bool))

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        completer, heads, clear = completer_of(self.network), self.heads, batch.clear
        assert isinstance(heads, STCnetHeads) and clear is not None
        if not clear.any():  # something is hidden in every frame of the batch: nothing is learnt from it
            nothing = torch.stack([each.sum() for each in completer.stcnet.parameters()]).sum()
            return {"spatial": 0 * nothing}
        person = batch.person[:, None].expand_as(clear)[clear]  # (F,)
        return completer.stcnet.losses(completer.windows(batch.clips, clear), person, heads)


class CompletionTask(SystemTask):
    """The completion network; begins from a base net's weights. See `model.training.task.Task`."""

    module: CompletionModule

    def _module(self, network: SystemNetwork, config: SystemRun, data: SystemData) -> CompletionModule:
        completer = completer_of(network)
        classifier = nn.Linear(network.dimension, data.sampler.data.n_persons, bias=False)
        guider = Guider(completer.locator, classifier, (network.config.height, network.config.width))
        return CompletionModule(network, completer.stcnet.training_heads(guider), len(data.pixels))

    def _known(self, draw: Draw, device: str) -> dict[str, Tensor]:
        """`clear` (B, T): the frames that STCnet may learn from; of one that a short track repeats, the first."""
        same = draw.rows[:, :, None] == draw.rows[:, None, :]  # (B, T, T)
        first = torch.from_numpy(~np.tril(same, -1).any(axis=2)).to(device)
        return {"clear": self.module.clear[torch.from_numpy(draw.rows).to(device)] & first}

    def find_clear(self, device: str, step: Callable[[int], None]) -> None:
        """Find the pictures without an occluded band, each track a whole video; `step` counts them.

        With the threshold "fence" these scores tell tau first.

        Raises:
            BadConfig: something is hidden in every picture, or there are no scores that could tell tau.
        """
        data, network = self._data.sampler.data, self.module.network.to(device).eval()
        tracks, completer = WholeTracks(network, self._data.pixels, device), completer_of(network)
        scores = torch.ones(len(self.module.clear), BANDS)
        for track in data.tracks:
            scores[torch.from_numpy(track.rows)] = tracks.scores(track.rows)
            step(len(track.rows))
        if network.config.settings.threshold == "fence":
            completer.threshold.fill_(self._fence(scores))
        hidden, tau = completer.hidden(scores), float(completer.threshold)
        self.module.clear = ~hidden.any(dim=1).to(device)
        rows = torch.from_numpy(pictures_of(data)[0])  # of the pictures of tracks
        if rank() == 0:
            found, bands = int(hidden[rows].sum()), hidden[rows].numel()
            logger.info("tau is %.3f: %d of %d bands are occluded", tau, found, bands)
        if hidden[rows].any(dim=1).all():
            raise BadConfig(
                f"STCnet learns from pictures of which no band scores below settings.threshold, {tau:.3f}, and none of "
                f'{len(rows)} is such: lower it, or set it to "fence"'
            )

    def _fence(self, scores: Tensor) -> float:
        """Tau by the scores of all bands of all tracks: (N, K), row for row of the pack."""
        tracks = self._data.sampler.data.tracks
        told = [scores[torch.from_numpy(track.rows)] for track in tracks if len(track.rows) > 1]
        if not told:  # one frame is its own mean
            raise BadConfig(
                f'settings.threshold = "fence" is measured on tracks of two frames and more, and none of '
                f"{len(tracks)} has them: set it to a number"
            )
        return lower_fence(torch.cat(told))

    def fit_guider(self, device: str, step: Callable[[int], None]) -> None:
        """Begin the guider's classifier from the base net's features of every picture; `step` counts them.

        The base net's own classifier is no part of its weights; this one tells persons by their mean features.
        """
        data = self._data.sampler.data
        rows, person = pictures_of(data)
        network = self.module.network.to(device)
        locator = completer_of(network).locator.eval()

        def through(frames: Tensor) -> Tensor:
            features: Tensor = locator(network.normalise(frames)[:, None])
            return features

        features = each_picture(through, self._data.pixels, rows, device, step)
        assert isinstance(self.module.heads, STCnetHeads) and isinstance(self.module.heads.guider, Guider)
        classifier = self.module.heads.guider.classifier
        assert isinstance(classifier, nn.Linear)
        domains = torch.from_numpy(data.domain_of_person)
        fit_classifier(classifier.cpu(), features, torch.from_numpy(person), domains, 0.0)
