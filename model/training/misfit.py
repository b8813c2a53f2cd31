"""What is said of weights of a run's system and trunk that do not fit: which settings decide their shapes."""

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import torch

from model.errors import WeightsMismatch
from model.systems.config import SystemConfig
from model.systems.encoder import drawn_system
from model.weights import Weights, fill


def misfit(own: SystemConfig, other: SystemConfig, found: Weights, path: Path) -> WeightsMismatch:
    """The error for weights `found` with the settings of `other`, which do not fill a network of `own`.

    Raises:
        WeightsMismatch: they do not fill a network of their own settings either: the file is damaged.
    """
    fill(drawn_system(other), found.tensors, path)
    shaping = _shaping(own, other)
    ours, theirs = (
        {name: value for name, value in _flat(asdict(each.settings)).items() if name.split(".")[0] in shaping}
        for each in (own, other)
    )
    names = [name for name in ours if ours[name] != theirs.get(name)]
    return WeightsMismatch(
        f"{path} holds weights of {other.name} that do not fit the run's: they were trained with "
        f"{_listed(theirs, names)}, and the run has {_listed(ours, names)}: "
        f"set {', '.join(f'settings.{name}' for name in names)} as it was, or begin anew"
    )


def _shaping(own: SystemConfig, other: SystemConfig) -> list[str]:
    """The settings that differ and decide by themselves which tensors there are and how large."""
    differing = [
        field.name
        for field in fields(own.settings)
        if getattr(own.settings, field.name) != getattr(other.settings, field.name)
    ]
    shapes = _shapes(own)
    return [name for name in differing if _with(own, other, name) != shapes] or differing


def _with(own: SystemConfig, other: SystemConfig, name: str) -> dict[str, torch.Size] | None:
    """Shapes with one setting of the other's; None where it does not go with the rest."""
    try:
        return _shapes(SystemConfig(own.name, replace(own.settings, **{name: getattr(other.settings, name)})))
    except ValueError:
        return None


def _shapes(config: SystemConfig) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in drawn_system(config).state_dict().items()}


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings under dotted names, as `--set` takes them."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        nested = _flat(value) if isinstance(value, Mapping) else None
        flat |= {name: value} if nested is None else {f"{name}.{key}": each for key, each in nested.items()}
    return flat


def _listed(settings: Mapping[str, Any], names: list[str]) -> str:
    return ", ".join(f"{name} = {settings.get(name)}" for name in names)
