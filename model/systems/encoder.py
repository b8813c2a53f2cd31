"""A published system behind the encoder interface: in float32, as the papers' programs run."""

from pathlib import Path

import torch

from model.encoder import Encoder, EncoderCard
from model.errors import WeightsMismatch
from model.precision import pick_device
from model.systems.config import SystemConfig, system_config
from model.systems.network import SystemNetwork
from model.torch_encoder import TorchEncoder
from model.vills.seeding import drawn_from, seeded_recipe
from model.vills.trained import trained_weights
from model.weights import UNTRAINED, Origin, digest_tensors, fill, fingerprint, load_weights

SEED = 2025


def build_system(name: str, *, weights: Path | None, device: str, threads: int) -> Encoder:
    """Build the published system called `name`; see `model.build.build_encoder`, which is how to call it.

    Without weights, given or shipped, it is seeded with the paper's own settings, and its card says untrained.
    """
    place = pick_device(device)
    torch.set_num_threads(threads)
    weights = weights or trained_weights(name)
    network, origin, numbers = _seeded(name) if weights is None else _loaded(name, weights)
    config = network.config
    card = EncoderCard(
        name=name,
        dimension=network.dimension,
        sampling=config.sampling,
        fingerprint=fingerprint(config.to_json(), config.sampling, numbers),
        trained=origin.trained,
        licence=origin.licence,
        training_data=origin.training_data,
        calibration=origin.calibration,
    )
    return TorchEncoder(card, network, device=place)


def drawn_system(config: SystemConfig, seed: int = SEED) -> SystemNetwork:
    """A system of freshly drawn weights: the same from the same seed."""
    with drawn_from(seed):
        return SystemNetwork(config)


def _seeded(name: str) -> tuple[SystemNetwork, Origin, bytes]:
    return drawn_system(system_config(name, {})), UNTRAINED, seeded_recipe(SEED)


def _loaded(name: str, path: Path) -> tuple[SystemNetwork, Origin, bytes]:
    read = load_weights(path)
    if read.config.name != name:
        raise WeightsMismatch(
            f"{path} holds weights of {read.config.name}, and the encoder asked for is {name}: "
            f"set VILLS_ENCODER to {read.config.name}, or give other weights"
        )
    assert isinstance(read.config, SystemConfig)
    network = drawn_system(read.config)
    fill(network, read.tensors, path)
    return network, read.origin, digest_tensors(read.tensors)
