"""The part of a network that finds and draws what is hidden of a person: VRSTC's, and no other system's."""

from model.errors import WeightsMismatch
from model.systems.network import SystemNetwork
from model.systems.vrstc import VRSTC, Completer
from model.training.checkpoint import OTHER_DATA, Checkpoint
from model.training.errors import BadCheckpoint


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
