"""Builds a VILLS encoder: its size, its weights, its device and its precision."""

from pathlib import Path

import torch

from model.encoder import Encoder, EncoderCard
from model.errors import WeightsMismatch
from model.precision import pick_device, pick_dtype
from model.vills.config import VillsConfig, find_config
from model.vills.encoder import VillsEncoder
from model.vills.network import Vills
from model.vills.seeding import seeded_network, seeded_recipe
from model.vills.trained import trained_weights
from model.weights import UNTRAINED, Origin, digest_tensors, fill, fingerprint, load_weights


def build_vills(name: str, *, weights: Path | None, device: str, threads: int, compile: bool) -> Encoder:
    """Build the VILLS encoder called `name`; see `model.build.build_encoder`, which is how to call it.

    `threads`, at least 1, becomes torch's number of threads, which belongs to the whole process.
    """
    config = find_config(name)
    place = pick_device(device)
    torch.set_num_threads(threads)
    weights = weights or trained_weights(name)
    network, card = _seeded(config) if weights is None else _loaded(config, weights)
    return VillsEncoder(card, network, device=place, dtype=pick_dtype(place), compile=compile)


def _seeded(config: VillsConfig) -> tuple[Vills, EncoderCard]:
    return seeded_network(config), _card(config, UNTRAINED, seeded_recipe())


def _loaded(config: VillsConfig, path: Path) -> tuple[Vills, EncoderCard]:
    weights = load_weights(path)
    if weights.config.name != config.name:
        raise WeightsMismatch(
            f"{path} holds weights of {weights.config.name}, and the encoder asked for is {config.name}: "
            f"set VILLS_ENCODER to {weights.config.name}, or give other weights"
        )
    assert isinstance(weights.config, VillsConfig)  # no other has such a name
    # The file's own configuration decides; the name alone has to agree.
    network = seeded_network(weights.config)
    fill(network, weights.tensors, path)
    return network, _card(weights.config, weights.origin, digest_tensors(weights.tensors))


def _card(config: VillsConfig, origin: Origin, numbers: bytes) -> EncoderCard:
    return EncoderCard(
        name=config.name,
        dimension=config.dimension,
        sampling=config.sampling,
        fingerprint=fingerprint(config.to_json(), config.sampling, numbers),
        trained=origin.trained,
        licence=origin.licence,
        training_data=origin.training_data,
        calibration=origin.calibration,
    )
