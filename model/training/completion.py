"""VRSTC's second stage: the network that draws what is hidden of a person learns from frames in which nothing is."""

import logging
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from model.layers.occlusion import lower_fence
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
    """Trains the completer's STCnet alone; everything else of the network stays as it is."""

    def __init__(self, network: SystemNetwork, heads: nn.Module) -> None:
        super().__init__(network.requires_grad_(False), heads, averaged=False)
        completer_of(network).stcnet.requires_grad_(True)

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        completer, heads = completer_of(self.network), self.heads
        assert isinstance(heads, STCnetHeads)
        windows, person = completer.windows(batch)
        if len(person) == 0:  # something is hidden in every frame of the batch: nothing is learnt from it
            nothing = torch.stack([each.sum() for each in completer.stcnet.parameters()]).sum()
            return {"spatial": 0 * nothing}
        return completer.stcnet.losses(windows, person, heads)


class CompletionTask(SystemTask):
    """The completion network; begins from a base net's weights. See `model.training.task.Task`."""

    def _module(self, network: SystemNetwork, config: SystemRun, data: SystemData) -> SystemModule:
        completer = completer_of(network)
        classifier = nn.Linear(network.dimension, data.sampler.data.n_persons, bias=False)
        size = network.config.height, network.config.width
        return CompletionModule(network, completer.stcnet.training_heads(Guider(completer.locator, classifier, size)))

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

    def measure_fence(self, device: str, step: Callable[[int], None]) -> None:
        """Set the completer's tau by the scores of all bands of all training tracks; `step` counts their pictures.

        Raises:
            BadConfig: no track has a second picture, so no band can look strange.
        """
        data, network = self._data.sampler.data, self.module.network.to(device).eval()
        tracks, scores = WholeTracks(network, self._data.pixels, device), []
        for track in data.tracks:
            if len(track.rows) > 1:  # one frame is its own mean
                scores.append(tracks.scores(track.rows))
            step(len(track.rows))
        if not scores:
            raise BadConfig(
                f'settings.threshold = "fence" is measured on tracks of two frames and more, and none of '
                f"{len(data.tracks)} has them: set it to a number"
            )
        found, completer = torch.cat(scores), completer_of(network)
        completer.threshold.fill_(lower_fence(found))
        hidden, tau = int(completer.hidden(found).sum()), float(completer.threshold)
        if rank() == 0:
            logger.info("tau is %.3f: %d of %d bands are occluded", tau, hidden, found.numel())
