"""Weights of a network on disk: safetensors, with the network's configuration and origin in the header."""

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from model.errors import WeightsMismatch, WeightsUnwritable
from model.network import NetworkConfig, ReidNetwork
from model.sampling import Sampling
from model.vills.config import VillsConfig


@dataclass(frozen=True, slots=True)
class Origin:
    """Where weights come from and what they may be used for. Travels with them."""

    trained: bool
    licence: str
    training_data: str
    calibration: tuple[float, float] | None = None  # logistic (midpoint, slope) of scores
    code: str | None = None  # version of the code that wrote them, where a run did


@dataclass(frozen=True, slots=True)
class Weights:
    """One file of weights, read whole."""

    config: NetworkConfig
    origin: Origin
    tensors: Mapping[str, Tensor]  # float32; whole numbers as they are


SYSTEM_KEY = '"system":'  # in the configuration of a published system, and of no other
UNTRAINED = Origin(trained=False, licence="Apache-2.0", training_data="none (seeded initialisation)")


def save_weights(path: Path, network: ReidNetwork, origin: Origin, *, half: bool = False) -> None:
    """Write the network to `path`, whole or not at all; matrices as float16 when `half`.

    Vectors (norms, biases, statistics) stay float32: a variance may not fit into float16.

    Raises:
        WeightsUnwritable: the folder is not there or cannot be written to, or the disk is full.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    if half:
        tensors = {name: tensor.half() if tensor.ndim > 1 else tensor for name, tensor in tensors.items()}
    _save_whole(path, tensors, _header(network.config, origin))


def write_calibration(path: Path, calibration: tuple[float, float]) -> None:
    """Put a calibration (midpoint, slope) into the header of the weights `path`, whole or not at all.

    Every tensor stays as it is, to the bit, and so does the fingerprint: what was indexed stays comparable.

    Raises:
        WeightsMismatch: as `load_weights`.
        WeightsUnwritable: as `save_weights`.
    """
    weights = load_weights(path)
    with safe_open(path, framework="pt") as file:  # as stored: float16 stays float16
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    _save_whole(path, tensors, _header(weights.config, replace(weights.origin, calibration=calibration)))


def load_weights(path: Path) -> Weights:
    """Read a file that `save_weights` wrote.

    Raises:
        WeightsMismatch: no such file, not safetensors, damaged, or without our header.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: _widen(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise WeightsMismatch(
            f"the weights {path} cannot be read as safetensors ({error}): give a file written by this product, or none"
        ) from error
    return Weights(_config(_entry(header, "config", path)), _origin(header, path), tensors)


def fill(network: ReidNetwork, tensors: Mapping[str, Tensor], source: Path) -> None:
    """Copy tensors into the network, every one of them and nothing else.

    Raises:
        WeightsMismatch: names are missing or unexpected, or a shape differs; all of them are listed.
    """
    wanted = network.state_dict()
    faults = [f"missing {name}" for name in sorted(wanted.keys() - tensors.keys())]
    faults += [f"unexpected {name}" for name in sorted(tensors.keys() - wanted.keys())]
    for name in sorted(wanted.keys() & tensors.keys()):
        want, have = tuple(wanted[name].shape), tuple(tensors[name].shape)
        if want != have:
            faults.append(f"{name} is {have}, not {want}")
    if faults:
        raise WeightsMismatch(
            f"the weights {source} do not fit {network.config.name}: {'; '.join(faults)}: "
            "use the weights saved for this network"
        )
    network.load_state_dict(dict(tensors), strict=True)


def fingerprint(config_json: str, sampling: Sampling, numbers: bytes) -> str:
    """16 hex digits that change when the configuration, the sampling rule or the weights do."""
    digest = hashlib.sha256()
    for part in (config_json.encode(), repr(sampling).encode(), numbers):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:16]


def digest_tensors(tensors: Mapping[str, Tensor]) -> bytes:
    """SHA-256 over names, shapes and bytes in the order of names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.digest()


def _header(config: NetworkConfig, origin: Origin) -> dict[str, str]:
    return {
        "config": config.to_json(),
        "trained": json.dumps(origin.trained),
        "licence": origin.licence,
        "training_data": origin.training_data,
        "calibration": json.dumps(origin.calibration),
    } | ({} if origin.code is None else {"code": origin.code})


def _save_whole(path: Path, tensors: dict[str, Tensor], header: dict[str, str]) -> None:
    beside = path.with_name(path.name + ".part")
    try:
        # Not `save_file`: its files are for their owner alone, and a service may run as somebody else.
        with beside.open("wb") as file:
            file.write(save(tensors, metadata=header))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise WeightsUnwritable(
            f"the weights {path} cannot be written ({error}): name a folder that is there, on a disk with room"
        ) from error


def _widen(tensor: Tensor) -> Tensor:
    return tensor.to(torch.float32) if tensor.is_floating_point() else tensor


def _config(text: str) -> NetworkConfig:
    """The configuration in a header: VILLS's, unless it names a published system."""
    if SYSTEM_KEY not in text:
        return VillsConfig.from_json(text)
    from model.systems.config import SystemConfig  # all systems: nothing that VILLS alone should wait for

    return SystemConfig.from_json(text)


def _entry(header: Mapping[str, str], name: str, path: Path) -> str:
    if name not in header:
        raise WeightsMismatch(
            f"the weights {path} carry no {name!r} in their header: use weights written by this product"
        )
    return header[name]


def _logistic(midpoint: float, slope: float) -> tuple[float, float]:
    """A calibration. Raises ValueError where a higher score would be no likelier right, or its threshold no number."""
    if not math.isfinite(midpoint) or not 0 < slope < math.inf:
        raise ValueError(f"a calibration is a midpoint and a slope above 0, got {midpoint} and {slope}")
    return midpoint, slope


def _origin(header: Mapping[str, str], path: Path) -> Origin:
    try:
        calibration = json.loads(_entry(header, "calibration", path))
        return Origin(
            trained=bool(json.loads(_entry(header, "trained", path))),
            licence=_entry(header, "licence", path),
            training_data=_entry(header, "training_data", path),
            calibration=None if calibration is None else _logistic(float(calibration[0]), float(calibration[1])),
            code=header.get("code"),
        )
    except (ValueError, TypeError, LookupError) as error:
        raise WeightsMismatch(f"the header of the weights {path} is damaged ({error}): save them anew") from error
