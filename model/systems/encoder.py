"""A published system behind the encoder interface: in float32, as the papers' programs run."""

from pathlib import Path

import torch

from model.card import card_of, weights_for
from model.encoder import Encoder, EncoderCard
from model.memory import keep_between_batches
from model.precision import pick_device
from model.systems.config import SystemConfig, system_config
from model.systems.network import SystemNetwork
from model.systems.rescoring import SnippetRescorer
from model.systems.snippet import Snippet
from model.torch_encoder import TorchEncoder
from model.vills.seeding import SEED, drawn_from, seeded_recipe
from model.vills.trained import trained_weights
from model.weights import UNTRAINED, digest_tensors, fill


def build_system(name: str, *, weights: Path | None, device: str, threads: int) -> Encoder:
    """Build the published system called `name`; see `model.build.build_encoder`, which is how to call it.

    Without weights, given or shipped, it is seeded with the paper's own settings, and its card says untrained.
    """
    place = pick_device(device)
    torch.set_num_threads(threads)
    keep_between_batches()
    weights = weights or trained_weights(name)
    network, card = _seeded(name) if weights is None else _loaded(name, weights)
    encoder = TorchEncoder(card, network, device=place)
    if isinstance(network.system, Snippet):
        encoder.rescorer = SnippetRescorer(network, network.system, place)
    return encoder


def drawn_system(config: SystemConfig, seed: int = SEED) -> SystemNetwork:
    """A system of freshly drawn weights: the same from the same seed."""
    with drawn_from(seed):
        return SystemNetwork(config)


def _seeded(name: str) -> tuple[SystemNetwork, EncoderCard]:
    network = drawn_system(system_config(name, {}))
    return network, card_of(network.config, network.dimension, UNTRAINED, seeded_recipe())


def _loaded(name: str, path: Path) -> tuple[SystemNetwork, EncoderCard]:
    weights = weights_for(name, path)
    assert isinstance(weights.config, SystemConfig)  # no other has such a name
    network = drawn_system(weights.config)
    fill(network, weights.tensors, path)
    return network, card_of(weights.config, network.dimension, weights.origin, digest_tensors(weights.tensors))
