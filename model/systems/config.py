"""What decides the shape and the arithmetic of a published system. It travels with its weights, as VILLS's does."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from model.errors import WeightsMismatch
from model.sampling import EVEN, RULE, Sampling
from model.systems.registry import SYSTEMS

MAX_CLIPS = 8  # taken from one track


@dataclass(frozen=True, slots=True)
class SystemConfig:
    """A system's name and its settings, a dataclass of `model.systems.registry`."""

    name: str
    settings: Any

    @property
    def height(self) -> int:
        return int(self.settings.height)

    @property
    def width(self) -> int:
        return int(self.settings.width)

    @property
    def sampling(self) -> Sampling:
        """Clips are as long as in training, whichever more a system could take.

        They count the same in a track's mean, so they are of equal length where a system takes any. One that takes a
        fixed number repeats what is short, as its paper does with a track's last clip.
        """
        rule = RULE if SYSTEMS[self.name].system.fixed else EVEN
        return Sampling(int(self.settings.frames), self.height, self.width, MAX_CLIPS, rule)

    def to_json(self) -> str:
        return json.dumps({"system": self.name, "settings": asdict(self.settings)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "SystemConfig":
        """The inverse of `to_json`.

        Raises:
            WeightsMismatch: not JSON, or names or values of no system this version can build.
        """
        try:
            values = json.loads(text)
            return system_config(values["system"], values["settings"])
        except (ValueError, TypeError, KeyError) as error:
            raise WeightsMismatch(
                f"the configuration inside the weights is of no system of this version ({error}): "
                "use weights saved by this version"
            ) from error


def system_config(name: str, settings: Mapping[str, Any]) -> SystemConfig:
    """The configuration of the system `name`; what `settings` leaves out is the paper's.

    Raises:
        ValueError: no system has that name, a setting nothing reads, or a value it cannot have.
    """
    if name not in SYSTEMS:
        raise ValueError(f"no system is called {name!r}: use one of {', '.join(SYSTEMS)}")
    kind = SYSTEMS[name].settings
    unknown = _unknown(settings, kind)
    if unknown:
        raise ValueError(
            f"{name} reads no {', '.join(unknown)}: it has {', '.join(each.name for each in fields(kind))}"
        )
    try:
        return SystemConfig(name, TypeAdapter(kind).validate_python(dict(settings)))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise ValueError(f"{name} cannot be built: {faults}") from error


def _unknown(settings: Mapping[str, Any], kind: type[Any]) -> list[str]:
    """Names that no field reads, those inside a section with a dot."""
    known = {each.name: each.type for each in fields(kind)}
    found = [name for name in settings if name not in known]
    for name, value in settings.items():
        section = known.get(name)
        if isinstance(value, Mapping) and isinstance(section, type) and is_dataclass(section):
            found += [f"{name}.{inner}" for inner in _unknown(value, section)]
    return found
