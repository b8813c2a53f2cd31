"""Trained weights whose network computes by other settings: what a part is worth that can be switched off."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.errors import WeightsMismatch
from model.systems.config import SystemConfig, system_config
from model.systems.encoder import drawn_system
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
    were = json.loads(found.config.to_json())["settings"]
    network = drawn_system(system_config(found.config.name, were | dict(settings)))
    fill(network, {name: found.tensors[name] for name in network.state_dict() if name in found.tensors}, weights)
    save_weights(file, network, found.origin, half=True)
    return file
