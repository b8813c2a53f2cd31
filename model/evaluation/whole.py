"""Whole tracks instead of the service's clips: how the papers of published systems test."""

from dataclasses import replace

from model.encoder import Encoder
from model.evaluation.errors import EvaluationError
from model.systems.network import SystemNetwork
from model.torch_encoder import TorchEncoder

ALL = 1_000_000  # frames of a clip that holds any track


def show_whole(encoder: Encoder) -> None:
    """From now on, show it every frame of a track as one clip: what it makes of a long one is its paper's choice
    (`SystemNetwork.show_whole`). The service samples and cuts, and its figures are of that.

    Raises:
        EvaluationError: the encoder is no published system.
    """
    card = encoder.card
    if not isinstance(encoder, TorchEncoder) or not isinstance(encoder.network, SystemNetwork):
        raise EvaluationError(
            f"whole tracks are how published systems are tested in their papers, and {card.name} is none: take clips"
        )
    encoder.network.show_whole()
    encoder.card = replace(card, sampling=replace(card.sampling, frames=ALL, max_clips=1))
