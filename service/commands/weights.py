"""`--weights` of several commands: which encoder or network is meant, and how it is read."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.commands.failures import UserError

if TYPE_CHECKING:
    from model.encoder import Encoder
    from model.vills.network import Vills
    from model.weights import Origin
    from service.settings import Settings

DEFAULT = "default"
_ONNX = "onnx:"

Weights = Annotated[
    str,
    typer.Option(
        help="default (the encoder of VILLS_ENCODER with the weights of VILLS_WEIGHTS, else those that come with the "
        "product), a safetensors FILE, or onnx:FILE.",
        metavar="WEIGHTS",
    ),
]
OwnWeights = Annotated[
    str,
    typer.Option(help="default (vills-light's) or a safetensors FILE of another VILLS network.", metavar="WEIGHTS"),
]


def encoder_with(weights: str, settings: "Settings") -> "Encoder":
    """The encoder that holds these weights; device, threads, the folder of models, and which encoder and weights are
    the default, are the settings'.

    Raises:
        UserError: an encoder's name stands where a file is asked for. As `load_weights` and `build_encoder`.
    """
    from model.build import build_encoder
    from model.weights import load_weights

    name, file = weights, None
    if weights == DEFAULT:
        name, file = settings.encoder, settings.weights
    elif not weights.startswith(_ONNX):
        file = _file(weights)
        name = load_weights(file).config.name  # the file says which network it is of
    return build_encoder(
        name, weights=file, device=settings.device, threads=settings.threads, model_dir=settings.model_dir
    )


def network_with(weights: str, settings: "Settings") -> "tuple[Vills, Origin]":
    """The network itself, on the CPU in float32 as it was trained, and where its weights come from.

    Raises:
        UserError: an ONNX file was named.
        WeightsMismatch: the file is not there, damaged or of no network of this version.
    """
    from model.vills.config import VillsConfig, find_config
    from model.vills.seeding import seeded_network
    from model.vills.trained import trained_weights
    from model.weights import UNTRAINED, fill, load_weights

    if weights.startswith(_ONNX):
        raise UserError(f"{weights} is no VILLS network: give a safetensors file, or default")
    name = _default_name(settings)
    file = trained_weights(name) if weights == DEFAULT else Path(weights)
    if file is None:
        return seeded_network(find_config(name)).eval(), UNTRAINED
    read = load_weights(file)
    if not isinstance(read.config, VillsConfig):
        raise UserError(f"{file} holds weights of {read.config.name}, which is no VILLS network: give one, or default")
    network = seeded_network(read.config)
    fill(network, read.tensors, file)
    return network.eval(), read.origin


def _file(weights: str) -> Path:
    """A file of weights; an encoder's name is none."""
    from model.systems.names import NAMES
    from model.vills.config import CONFIGS
    from model.vills.trained import trained_weights

    file = Path(weights)
    if file.exists() or weights not in (*NAMES, *CONFIGS):
        return file
    if trained_weights(weights) is None:
        raise UserError(
            f"--weights {weights} is no file, and no weights of {weights} come with the product: give a FILE"
        )
    raise UserError(
        f"--weights {weights} is no file: the weights of {weights} that come with the product are "
        f"VILLS_ENCODER={weights} with --weights default"
    )


def _default_name(settings: "Settings") -> str:
    return str(type(settings).model_fields["encoder"].default)
