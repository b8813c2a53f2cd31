"""VRSTC's second stage: the network that draws what is hidden of a person learns from frames in which nothing is."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from model.errors import WeightsMismatch
from model.systems.network import SystemNetwork
from model.systems.stcnet import STCnetHeads
from model.systems.system import Batch
from model.systems.vrstc import VRSTC, Completer, Guider
from model.training.checkpoint import OTHER_DATA, Checkpoint
from model.training.errors import BadCheckpoint
from model.training.heads import each_picture, fit_classifier, pictures_of
from model.training.system_config import SystemRun
from model.training.system_task import SystemData, SystemModule, SystemTask


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


def completes(network: SystemNetwork) -> bool:
    """Whether the network is a VRSTC that finds and draws what is hidden."""
    return isinstance(network.system, VRSTC) and network.system.completer is not None


def recall(network: SystemNetwork, checkpoint: Checkpoint | None) -> None:
    """Let a run that goes on complete by the completer that it began with, as its checkpoint has it.

    Raises:
        BadCheckpoint: it holds no such completer.
    """
    if checkpoint is None:
        return
    start = "network.system.completer."
    found = {name.removeprefix(start): each for name, each in checkpoint.module.items() if name.startswith(start)}
    try:
        completer_of(network).load_state_dict(found)
    except RuntimeError as error:
        raise BadCheckpoint(f"the run's checkpoint {OTHER_DATA}") from error


def completer_of(network: SystemNetwork) -> Completer:
    """The part of VRSTC that finds and draws what is hidden.

    Raises:
        WeightsMismatch: the network has none.
    """
    system = network.system
    if not isinstance(system, VRSTC) or system.completer is None:
        raise WeightsMismatch('this stage needs what VRSTC completes by: settings.completion must not be "off"')
    return system.completer
