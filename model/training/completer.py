"""The part of a network that finds and draws what is hidden of a person: VRSTC's, and no other system's."""

from pathlib import Path

from model.errors import WeightsMismatch
from model.systems.config import SystemConfig
from model.systems.network import SystemNetwork
from model.systems.vrstc import VRSTC, Completer
from model.training.checkpoint import OTHER_DATA, Checkpoint
from model.training.errors import BadCheckpoint, BadConfig
from model.weights import load_weights


def completes(network: SystemNetwork) -> bool:
    """Whether there is such a part."""
    return isinstance(network.system, VRSTC) and network.system.completer is not None


def completer_of(network: SystemNetwork) -> Completer:
    """That part.

    Raises:
        WeightsMismatch: the network has none.
    """
    system = network.system
    if not isinstance(system, VRSTC) or system.completer is None:
        raise WeightsMismatch('this stage needs what VRSTC completes by: settings.completion must not be "off"')
    return system.completer


def check_drawer(weights: Path | None) -> None:
    """Whether a run that completes its data begins with a network that learned to draw.

    Raises:
        BadConfig: it begins without weights, or with those of another network: a base net, a baseline.
    """
    config = None if weights is None else load_weights(weights).config
    if not isinstance(config, SystemConfig) or getattr(config.settings, "completion", "off") == "off":
        raise BadConfig(
            "this stage completes its pictures by a network that stage completion trains, and begins "
            f"{'without weights' if weights is None else f'with {weights}, which has none'}: "
            'give the weights of that stage (--weights), or set settings.completion to "off"'
        )


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
