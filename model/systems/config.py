"""What decides the shape and the arithmetic of a published system. It travels with its weights, as VILLS's does."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from model.errors import WeightsMismatch
from model.faults import Fault, faults_of
from model.sampling import EVEN, RULE, Sampling
from model.systems.bounds import MOST_FRAMES, Frames, Pixels, check_trunk
from model.systems.registry import SYSTEMS

MAX_CLIPS = 8  # taken from one track


@dataclass(frozen=True, slots=True)
class _Shape:
    """What all systems have."""

    frames: Frames = 1
    height: Pixels = 32
    width: Pixels = 32


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
        """Clips are as long as in training, whichever more a system could take; but for one whose paper tests each
        track whole, as one clip: that has as many frames as all clips of the others.

        Clips count the same in a track's mean, so they are of equal length where a system takes any. One that takes a
        fixed number repeats what is short, as its paper does with a track's last clip.
        """
        system, frames = SYSTEMS[self.name].system, int(self.settings.frames)
        if system.whole:
            return Sampling(MAX_CLIPS * frames, self.height, self.width, 1, EVEN)
        return Sampling(frames, self.height, self.width, MAX_CLIPS, RULE if system.fixed else EVEN)

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
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
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
    shared = {each.name: settings[each.name] for each in fields(_Shape) if each.name in settings}
    try:
        TypeAdapter(_Shape).validate_python(shared)
        config = SystemConfig(name, TypeAdapter(kind).validate_python(dict(settings)))
    except ValidationError as error:
        raise ValueError(f"{name} cannot be built: {_told(error, settings)}") from error
    try:
        _check_together(config)
    except ValueError as error:
        raise ValueError(f"{name} cannot be built: {error}") from error
    return config


def _check_together(config: SystemConfig) -> None:
    """Refuse settings that can be by themselves, and not beside each other; a system's own rules are its dataclass's.

    Raises:
        ValueError: names the rule, the values and the cure.
    """
    settings = config.settings
    if SYSTEMS[config.name].system.whole and config.sampling.frames > MOST_FRAMES:
        raise ValueError(
            f"a track is one clip of {MAX_CLIPS} times settings.frames, at most {MOST_FRAMES}, and settings.frames is "
            f"{settings.frames}: lower it to {MOST_FRAMES // MAX_CLIPS} or less"
        )
    check_trunk(settings.trunk, settings.last_stride, settings.height, settings.width)


def _told(error: ValidationError, settings: Mapping[str, Any]) -> str:
    """The rules that settings break, their values, and what to do."""
    return "; ".join(map(_mended, faults_of(error, settings)))


def _mended(fault: Fault) -> str:
    if not fault.field:  # a rule of the settings together, which says all of it
        return fault.rule
    what = f"{fault.field}: {fault.rule}" if fault.says_all else f"{fault.field} is {fault.value} ({fault.rule})"
    return f"{what}: mend settings.{fault.field}, or leave it out for the paper's"


def _unknown(settings: Mapping[str, Any], kind: type[Any]) -> list[str]:
    """Names that no field reads, those inside a section with a dot."""
    known = {each.name: each.type for each in fields(kind)}
    found = [name for name in settings if name not in known]
    for name, value in settings.items():
        section = known.get(name)
        if isinstance(value, Mapping) and isinstance(section, type) and is_dataclass(section):
            found += [f"{name}.{inner}" for inner in _unknown(value, section)]
    return found
