"""Trained weights whose network computes by other settings: what a part is worth that can be switched off."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.errors import WeightsMismatch
from model.systems.config import SystemConfig, system_config
from model.systems.encoder import drawn_system
from model.systems.network import SystemNetwork
from model.weights import fill, load_weights, save_weights


def restated(weights: Path, settings: Mapping[str, Any], file: Path) -> Path:
    """Write the weights of a published system with some settings changed; without the parts that it then has not.

    Raises:
        WeightsMismatch: they cannot be read, are VILLS's, or lack a part that the network has by these settings.
        ValueError: there is no such network.
    """
    found = load_weights(weights)
    if not isinstance(found.config, SystemConfig):
        raise WeightsMismatch(f"{weights} are of {found.config.name}, which computes by no settings: leave them out")
    network = drawn_system(_changed(found.config, settings))
    _fill(network, found.tensors, weights)
    save_weights(file, network, found.origin, half=True)
    return file


def check_restated(config: SystemConfig, settings: Mapping[str, Any], weights: Path) -> None:
    """Refuse, before `weights` of a network of `config` are there, what `restated` would refuse of them then.

    Raises: as `restated`.
    """
    with torch.device("meta"):  # shapes without numbers
        trained, asked = SystemNetwork(config), SystemNetwork(_changed(config, settings))
    _fill(asked, trained.state_dict(), weights)


def _changed(config: SystemConfig, settings: Mapping[str, Any]) -> SystemConfig:
    were = json.loads(config.to_json())["settings"]
    return system_config(config.name, were | dict(settings))


def _fill(network: SystemNetwork, tensors: Mapping[str, Tensor], weights: Path) -> None:
    fill(network, {name: tensors[name] for name in network.state_dict() if name in tensors}, weights)
