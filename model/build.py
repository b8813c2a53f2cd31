"""The one place where an encoder is chosen by name, sized, given its weights and put on a device."""

import os
from pathlib import Path

import torch

from model.encoder import Encoder, EncoderCard
from model.errors import WeightsMismatch
from model.onnx import OnnxEncoder
from model.precision import pick_device, pick_dtype
from model.vills.config import VillsConfig, find_config
from model.vills.encoder import VillsEncoder
from model.vills.network import Vills
from model.vills.seeding import seeded_network, seeded_recipe
from model.weights import UNTRAINED, Origin, digest_tensors, fill, fingerprint, load_weights

_ONNX = "onnx:"


def build_encoder(
    name: str,
    *,
    weights: Path | None = None,
    device: str = "auto",
    threads: int = 0,
    model_dir: Path | None = None,
    compile: bool = False,
) -> Encoder:
    """Build the encoder called `name`: `vills-tiny`, `vills-small`, `vills-base` or `onnx:FILE`.

    `weights` is a safetensors file of a VILLS network; without it the network is seeded and its card says untrained.
    `device` is `auto`, `cpu` or `cuda`. `threads` is for a CPU, 0 is one a core; for VILLS it sets torch's threads,
    which belong to the whole process. `FILE` is a path, or a name that is looked up in `model_dir`.

    Raises:
        UnknownEncoder: no encoder has that name.
        WeightsMismatch: the weights are of another network, damaged, or given for an ONNX file.
        BadModelFile: the ONNX file or its description cannot be used.
        DeviceUnavailable: the device is not there.
    """
    threads = threads or len(os.sched_getaffinity(0))
    if name.startswith(_ONNX):
        if weights is not None:
            raise WeightsMismatch(f"{name} carries its own weights, and {weights} was given too: leave it out")
        return OnnxEncoder(_find(name.removeprefix(_ONNX), model_dir), device=device, threads=threads)
    config = find_config(name)
    place = pick_device(device)
    torch.set_num_threads(threads)
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


def _find(file: str, model_dir: Path | None) -> Path:
    """The ONNX file: the path itself where it exists, else the same name in `model_dir`."""
    path = Path(file).expanduser()
    if not path.is_file() and model_dir is not None and path.name == file:
        named = model_dir / (file if path.suffix == ".onnx" else f"{file}.onnx")
        return named if named.is_file() else model_dir / file
    return path
