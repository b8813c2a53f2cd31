"""What a manifest says of people beside who they are, as numbers to learn: columns become attributes of 0 and 1."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.data.errors import MissingData
from model.data.records import Picture

MOST_VALUES = 64  # of a column that is taken value by value

Table = npt.NDArray[np.float32]
Groups = Mapping[str, Sequence[str]]  # a group's name, and the columns that belong to it


@dataclass(frozen=True, slots=True)
class Attributes:
    """Attributes of 0 and 1 of every picture, (N, A), row for row; and the names of each group's, in that order."""

    table: Table
    groups: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def sizes(self) -> tuple[tuple[str, int], ...]:
        """Of each group its name and how many attributes it has."""
        return tuple((group, len(names)) for group, names in self.groups)


def attributes_of(sources: Sequence[Sequence[Picture]], groups: Groups) -> Attributes:
    """The attributes of the pictures of all sources, one after the other.

    A column of 0 and 1 is one attribute, and so is one of numbers, of which there are more than two: above the median.
    Any other has an attribute for each of its values, in alphabetical order, of which a picture has one.

    Raises:
        MissingData: a picture lacks a column, or one has too many values; names it.
    """
    pictures = [picture for source in sources for picture in source]
    known = [dict(picture.known) for picture in pictures]
    parts: list[Table] = []
    named = []
    for group, columns in groups.items():
        names: list[str] = []
        for column in columns:
            own, table = _column(column, [_value(row, column, pictures[at]) for at, row in enumerate(known)])
            names += own
            parts.append(table)
        named.append((group, tuple(names)))
    return Attributes(np.hstack(parts), tuple(named))


def _value(row: Mapping[str, str], name: str, picture: Picture) -> str:
    if not row.get(name):
        raise MissingData(
            f"attributes are learnt from the column {name!r}, and {picture.path} has no value in it: "
            "fill it for every picture, or leave the column out of `attributes`"
        )
    return row[name]


def _column(name: str, values: Sequence[str]) -> tuple[list[str], Table]:
    """The attributes of a column and (N, of these)."""
    numbers, different = _numbers(values), sorted(set(values))
    if set(different) <= {"0", "1"}:
        return [name], np.array(values, np.float32)[:, None]
    if numbers is not None and len(different) > 2:
        above: Table = (numbers > np.median(numbers)).astype(np.float32)
        return [name], above[:, None]
    if len(different) > MOST_VALUES:
        raise MissingData(
            f"the column {name!r} has {len(different)} different values and is not of numbers: attributes have at most "
            f"{MOST_VALUES}; leave it out of `attributes`"
        )
    one: Table = (np.array(values)[:, None] == np.array(different)).astype(np.float32)
    return [f"{name}={value}" for value in different], one


def _numbers(values: Sequence[str]) -> npt.NDArray[np.float64] | None:
    try:
        return np.array([float(value) for value in values])
    except ValueError:
        return None
