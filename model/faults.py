"""What is wrong with values that were given, for whoever wrote them: pydantic's errors without its own terms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

PREFIX = "Value error, "  # before every message of our own
MOST_SHOWN = 100  # characters of a value
SAYS_ALL = ("value_error", "missing", "extra_forbidden")  # kinds of error beside which a value tells nothing more


@dataclass(frozen=True, slots=True)
class Fault:
    """One field that breaks a rule."""

    field: str  # by its dotted name; empty where the rule is of all values together
    value: str  # as Python writes it, cut where it is long
    rule: str
    says_all: bool  # whether the rule names the value, or there is none

    def __str__(self) -> str:
        rule = self.rule if self.says_all else f"{self.rule}, and is {self.value}"
        return f"{self.field}: {rule}" if self.field else rule


def faults_of(error: ValidationError, values: object) -> list[Fault]:
    """Each field once, in the order of the errors.

    Args:
        values: what was validated. Where a field may be of several kinds, pydantic tells of each kind that it is not,
            under a name of the kind's behind the field's: names end where the values end.
    """
    faults: dict[str, Fault] = {}
    for each in error.errors(include_url=False):
        field, rule = _name(each["loc"], values), each["msg"].removeprefix(PREFIX)
        if field and field in faults:
            rule = f"{faults[field].rule}, or {rule[:1].lower()}{rule[1:]}"
            faults[field] = replace(faults[field], rule=rule)
        else:
            faults[field] = Fault(field, repr(each["input"])[:MOST_SHOWN], rule, each["type"] in SAYS_ALL)
    return list(faults.values())


def _name(location: Sequence[int | str], values: object) -> str:
    parts: list[str] = []
    place: Any = values
    for part in location:
        if isinstance(place, Mapping) and isinstance(part, str):
            parts.append(part)
            place = place.get(part)
        elif isinstance(place, list | tuple) and isinstance(part, int) and part < len(place):
            parts.append(str(part))
            place = place[part]
    return ".".join(parts)
