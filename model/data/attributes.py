"""What a manifest says of people beside who they are, as numbers to learn: columns become attributes of 0 and 1."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from model.data.errors import MissingData
from model.data.records import Picture

MOST_VALUES = 64  # of a column that is taken value by value

Table = npt.NDArray[np.float32]
Groups = Mapping[str, Sequence[str]]  # a group's name, and the columns that belong to it


def attribute_table(sources: Sequence[Sequence[Picture]], groups: Groups) -> tuple[Table, tuple[tuple[str, int], ...]]:
    """Every picture's attributes, (N, A) of 0 and 1, row for row; and of each group how many it has, in order.

    A column of numbers, of which there are more than two, is one attribute: above the median. Any other has an
    attribute for each of its values, in alphabetical order, of which a picture has one.

    Raises:
        MissingData: a picture lacks a column, or one has too many values; names it.
    """
    pictures = [picture for source in sources for picture in source]
    known = [dict(picture.known) for picture in pictures]
    parts, sizes = [], []
    for group, columns in groups.items():
        tables = [_column(name, [_value(row, name, pictures[at]) for at, row in enumerate(known)]) for name in columns]
        parts += tables
        sizes.append((group, sum(table.shape[1] for table in tables)))
    return np.hstack(parts), tuple(sizes)


def _value(row: Mapping[str, str], name: str, picture: Picture) -> str:
    if not row.get(name):
        raise MissingData(
            f"attributes are learnt from the column {name!r}, and {picture.path} has no value in it: "
            "fill it for every picture, or leave the column out of `attributes`"
        )
    return row[name]


def _column(name: str, values: Sequence[str]) -> Table:
    """(N, values) or, of numbers, (N, 1)."""
    numbers, different = _numbers(values), sorted(set(values))
    if numbers is not None and len(different) > 2:
        above: Table = (numbers > np.median(numbers)).astype(np.float32)
        return above[:, None]
    if len(different) > MOST_VALUES:
        raise MissingData(
            f"the column {name!r} has {len(different)} different values and is not of numbers: attributes have at most "
            f"{MOST_VALUES}; leave it out of `attributes`"
        )
    one: Table = (np.array(values)[:, None] == np.array(different)).astype(np.float32)
    return one


def _numbers(values: Sequence[str]) -> npt.NDArray[np.float64] | None:
    try:
        return np.array([float(value) for value in values])
    except ValueError:
        return None
