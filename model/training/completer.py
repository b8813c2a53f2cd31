"""The part of a network that finds and draws what is hidden of a person: VRSTC's, and no other system's."""

from model.errors import WeightsMismatch
from model.network import NetworkConfig
from model.systems.config import SystemConfig
from model.systems.network import SystemNetwork
from model.systems.vrstc import VRSTC, Completer, VRSTCConfig
from model.training.checkpoint import OTHER_DATA, Checkpoint
from model.training.errors import BadCheckpoint, BadConfig
from model.training.system_config import SystemRun


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


def check_before(run: SystemRun, before: NetworkConfig | None, named: str) -> None:
    """Whether a stage of VRSTC begins with what the stage before it has learned; other runs begin with anything.

    Args:
        before: of the network that it begins with; None where that is drawn. named: what has its weights, for people.

    Raises:
        BadConfig: it does not.
    """
    own = run.network_config().settings
    if not isinstance(own, VRSTCConfig) or run.stage == "base" or own.completion == "off":
        return
    settings = before.settings if isinstance(before, SystemConfig) else None
    learned = settings if isinstance(settings, VRSTCConfig) else None
    drawer = learned if learned and learned.completion != "off" else None
    base = learned and not drawer and not learned.non_local
    found = f"begins with {named}" if before else "begins without weights"
    if run.stage == "completion" and not (base or drawer):
        raise BadConfig(
            f"stage completion looks for what is hidden by a base net, and {found}: give the weights of stage base "
            "(--weights)"
        )
    if run.stage == "whole" and not drawer:
        raise BadConfig(
            f"this stage completes its pictures by what stage completion learned, and {found}: give the weights of "
            "that stage (--weights); to complete nothing, train the configuration non-local"
        )
    if drawer and (own.threshold == "fence") != (drawer.threshold == "fence"):
        raise BadConfig(
            f"settings.threshold is {own.threshold!r}, and {named} learned with {drawer.threshold!r}: weights hold a "
            "measured tau or none, so set it as that stage had it"
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
