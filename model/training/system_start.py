"""Where a published system's weights begin: drawn, ImageNet's in its trunks, or those of an earlier run or stage."""

import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from model.errors import WeightsMismatch
from model.layers.frame_trunk import TrunkName, trunks_of
from model.layers.published import fill_in_order
from model.systems.baseline import Baseline
from model.systems.config import SystemConfig
from model.systems.encoder import drawn_system
from model.systems.network import SystemNetwork
from model.systems.vrstc import VRSTC
from model.training.misfit import misfit
from model.training.start import imagenet_weights
from model.weights import Weights, fill, load_weights

BASELINE = "baseline"  # whose trunk any other system may begin with


def starting_system(
    config: SystemConfig, seed: int, *, weights: Path | None, stem_weights: Path | None
) -> SystemNetwork:
    """A system to train: from `weights` of an earlier run, or drawn from `seed` with published weights in its trunks.

    Settings that change no shape may differ from the earlier run's (weights of losses; the size of crops, but in COSAM,
    STMP and attention pooling; the length of clips, but in COSAM and M3D); the trunk not, as two of them have tensors
    of the same shapes and compute other things with them. From a baseline's weights any system may begin: its trunk is
    taken, and all else is as drawn.

    Raises:
        WeightsMismatch: the weights are of another system, another trunk or other shapes, or damaged.
    """
    network = drawn_system(config, seed)
    if weights is not None:
        _begin_from(network, load_weights(weights), weights)
    elif stem_weights is not None:
        fill_trunks(network, config.settings.trunk, stem_weights)
    return network


def published_trunk(trunk: TrunkName) -> Path | None:
    """ImageNet's weights for a trunk, where a package brings them: MobileNetV2's.

    Raises:
        BadConfig: the package is not installed.
    """
    return imagenet_weights() if trunk == "mobilenetv2" else None


def fill_trunks(network: nn.Module, trunk: TrunkName, path: Path) -> None:
    """Put one file of published weights into every trunk of a network, all of which are called `trunk`.

    Raises:
        WeightsMismatch: it cannot be read, or is of another trunk.
    """
    try:
        tensors = _read(path)
        for each in trunks_of(network):
            fill_in_order(each, tensors, trunk)
    except (OSError, RuntimeError, ValueError, SafetensorError, pickle.UnpicklingError) as error:
        raise WeightsMismatch(f"the trunk's weights {path} cannot be used: {error}") from error


def _read(path: Path) -> dict[str, Tensor]:
    """A file of safetensors or of torch."""
    if path.suffix == ".safetensors":
        return load_file(path)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, LookupError, EOFError) as error:
        # What torch says of it is long, and advises to load it unsafely.
        raise ValueError("it is no file that torch saved: name another one") from error
    if not isinstance(found, dict) or not all(isinstance(each, Tensor) for each in found.values()):
        raise ValueError("it has to be a state_dict: names and tensors")
    return found


def _begin_from(network: SystemNetwork, found: Weights, path: Path) -> None:
    """Nothing is filled before the weights are known to be of this system, or of a baseline, and of this trunk."""
    own, other = network.config, found.config
    given = dict.fromkeys((own.name, BASELINE))
    if not isinstance(other, SystemConfig) or other.name not in given:
        raise WeightsMismatch(
            f"{path} holds weights of {other.name}, and the run trains {own.name}: give weights of {' or '.join(given)}"
        )
    ours, theirs = own.settings.trunk, other.settings.trunk
    if ours != theirs:
        raise WeightsMismatch(
            f"{path} holds weights of {other.name} with the trunk {theirs}, and the run trains {own.name} with {ours}: "
            f"give weights with that trunk, or set settings.trunk to {theirs}"
        )
    if other.name != own.name:
        _begin_from_baseline(network, other, found, path)
    elif not _begin_from_base(network, found, path):
        try:
            fill(network, found.tensors, path)
        except WeightsMismatch:
            raise misfit(own, other, found, path) from None


def _begin_from_baseline(network: SystemNetwork, other: SystemConfig, found: Weights, path: Path) -> None:
    """The trunk of a baseline goes into every trunk of another system, as ImageNet's weights do."""
    baseline = drawn_system(other)
    fill(baseline, found.tensors, path)
    assert isinstance(baseline.system, Baseline)
    trunk, own = baseline.system.trunk, trunks_of(network)
    theirs, ours = trunk.last_stride, own[0].last_stride  # a system's trunks are alike
    if theirs != ours:
        raise WeightsMismatch(
            f"{path} holds weights of a trunk with the last stride {theirs}, and {network.config.name}'s is {ours}: "
            f"give weights of a baseline with that one, or set settings.last_stride to {theirs}"
        )
    for each in own:
        each.load_state_dict(trunk.state_dict())


def _begin_from_base(network: SystemNetwork, found: Weights, path: Path) -> bool:
    """VRSTC's base net, trained without completion, becomes what finds occlusion and where the net begins.

    False where the weights are of no base net, or the network is none that needs one.
    """
    system, config = network.system, found.config
    if not isinstance(system, VRSTC) or system.completer is None or not isinstance(config, SystemConfig):
        return False
    if config.name != "vrstc" or config.settings.completion != "off":
        return False
    base = {name.removeprefix("system.net."): tensor for name, tensor in found.tensors.items()}
    try:
        system.completer.locator.load_state_dict(base)
    except RuntimeError as error:
        raise WeightsMismatch(f"{path} is no base net of these settings: give the weights of stage base") from error
    trunks_of(system.net)[0].load_state_dict(trunks_of(system.completer.locator)[0].state_dict())
    return True
