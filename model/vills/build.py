"""Builds a VILLS encoder: its size, its weights, its device and its precision."""

from pathlib import Path

import torch

from model.card import card_of, weights_for
from model.encoder import Encoder, EncoderCard
from model.memory import keep_between_batches
from model.precision import pick_device, pick_dtype
from model.vills.config import VillsConfig, find_config
from model.vills.encoder import VillsEncoder
from model.vills.network import Vills
from model.vills.seeding import seeded_network, seeded_recipe
from model.vills.trained import trained_weights
from model.weights import UNTRAINED, digest_tensors, fill


def build_vills(name: str, *, weights: Path | None, device: str, threads: int, compile: bool) -> Encoder:
    """Build the VILLS encoder called `name`; see `model.build.build_encoder`, which is how to call it.

    `threads`, at least 1, becomes torch's number of threads, which belongs to the whole process.
    """
    config = find_config(name)
    place = pick_device(device)
    torch.set_num_threads(threads)
    keep_between_batches()
    weights = weights or trained_weights(name)
    network, card = _seeded(config) if weights is None else _loaded(name, weights)
    return VillsEncoder(card, network, device=place, dtype=pick_dtype(place), compile=compile)


def _seeded(config: VillsConfig) -> tuple[Vills, EncoderCard]:
    return seeded_network(config), card_of(config, config.dimension, UNTRAINED, seeded_recipe())


def _loaded(name: str, path: Path) -> tuple[Vills, EncoderCard]:
    weights = weights_for(name, path)
    assert isinstance(weights.config, VillsConfig)  # no other has such a name
    # The file's own configuration decides; the name alone has to agree.
    network = seeded_network(weights.config)
    fill(network, weights.tensors, path)
    return network, card_of(weights.config, network.dimension, weights.origin, digest_tensors(weights.tensors))
