"""Reading configurations: those that come with the product by name, others by file, and what they begin from."""

import copy
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from model.faults import faults_of
from model.shipped import shipped
from model.training.config import Section
from model.training.errors import BadConfig

CONFIGS = "configs"  # folder of the package
BASE = "base"  # the key of the configuration that another one changes
WHOLE = ("attributes",)  # tables of names that are the user's: half of one and half of another would be nobody's
Values = dict[str, Any]
Config = TypeVar("Config", bound=Section)


def read_config(name: str, *changes: Values, folder: str = CONFIGS) -> Values:
    """The values of a configuration: a file, or the name of one that comes with the product.

    One that says `base = NAME` has the values of that one, changed by its own: sections key by key, all else (and
    `attributes`) as a whole. A base's file is looked up from the folder of the file that names it.

    changes: values in place of the file's, by dotted name, in the same way; of several the later ones win. folder: of
    the package, where names are looked up.

    Raises:
        BadConfig: no such file or name, not TOML, a circle of bases, or a change inside what is no section.
    """
    values = _with_base(_found(name), folder, ())
    for level in changes:
        for dotted, value in level.items():
            values = _merged(values, _nested(values, dotted, value))
    return values


def checked(kind: type[Config], values: Values, origin: str) -> Config:
    """The configuration these values make.

    Raises:
        BadConfig: a key nothing reads, a missing one, a wrong type or a value out of range; names all of them.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(map(str, faults_of(error, values)))
        raise BadConfig(f"the configuration {origin} cannot be used: {faults}") from error


def _with_base(name: str, folder: str, above: tuple[str, ...]) -> Values:
    values = _load(name, folder, above)
    base = values.pop(BASE, None)
    if base is None:
        return values
    if not isinstance(base, str):
        raise BadConfig(f"the configuration {name} has the base {base!r}: give a name or a .toml file, in quotes")
    base = _found(base, Path(name).parent if _is_file(name) else Path())
    if base in (*above, name):
        raise BadConfig(f"the configuration {name} begins from {base}, which begins from it: leave one `base` out")
    return _merged(_with_base(base, folder, (*above, name)), values)


def _found(name: str, beside: Path = Path()) -> str:
    """One name for one configuration, however it is written: of a file the whole path."""
    return str((beside / name).resolve()) if _is_file(name) else name


def _load(name: str, folder: str, above: tuple[str, ...]) -> Values:
    try:
        found = Path(name) if _is_file(name) else resources.files("model") / folder / f"{name}.toml"
        return tomllib.loads(found.read_text())
    except FileNotFoundError as error:
        asked = f", which {above[-1]} has as its base" if above else ""
        raise BadConfig(
            f"there is no configuration {name!r}{asked}: name a .toml file or one of {', '.join(shipped(folder))}"
        ) from error
    except (OSError, ValueError) as error:  # ValueError: not TOML, not UTF-8, or no name of a file
        raise BadConfig(f"the configuration {name} cannot be read: {error}") from error


def _is_file(name: str) -> bool:
    return Path(name).suffix == ".toml"


def _merged(below: Values, above: Values) -> Values:
    """`above` wins; where both have a section, key by key. Neither is changed, now or by what is done to the result."""
    both = {
        key: _merged(below[key], value)
        for key, value in above.items()
        if isinstance(value, dict) and isinstance(below.get(key), dict) and key not in WHOLE
    }
    return copy.deepcopy(below | above) | both


def _nested(values: Values, dotted: str, value: object) -> Values:
    """`{"a": {"b": value}}` for `a.b`, if `values` has a section `a`, or nothing that is called so."""
    *sections, key = dotted.split(".")
    place: Any = values
    for section in sections:
        place = place.get(section, {})
        if not isinstance(place, dict):
            raise BadConfig(f"{dotted} is set, and {section} is no section but {place!r}: set {section} as a whole")
    nested: Values = {key: value}
    if sections and sections[0] in WHOLE:  # one of its names is changed, and the others stay
        nested = place | nested
    for section in reversed(sections):
        nested = {section: nested}
    return nested
