"""What is stored beside the vectors: the columns of a segment, one row a track."""

from dataclasses import dataclass, fields
from hashlib import blake2b
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from index.entries import Kind, LogEntry

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

KINDS: tuple[Kind, ...] = ("video", "image")  # a kind is stored as its place in here

_LOWEST, _HIGHEST = np.iinfo(np.int64).min, np.iinfo(np.int64).max
NO_SPAN = (int(_HIGHEST), int(_LOWEST))  # overlaps nothing, whichever end of a time filter is set


def item_number(item_id: str) -> int:
    """Unsigned 64-bit hash that stands for an item's id, as a table of all ids would weigh more than the column."""
    return int.from_bytes(blake2b(item_id.encode(), digest_size=8).digest(), "little")


def span(entry: LogEntry) -> tuple[int, int]:
    """Start and end (exclusive) of a track, milliseconds; an instant lasts one, so that a time filter can find it."""
    if entry.start_ms is None:
        return NO_SPAN
    end_ms = entry.start_ms if entry.end_ms is None else entry.end_ms
    return entry.start_ms, max(end_ms, entry.start_ms + 1)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """What may change about a track after it was added. Readers hold these arrays: a published row is never written.

    An update or removal goes into a copy, which is published in place of the old.
    """

    alive: Mask  # (N,) False once removed
    camera: npt.NDArray[np.int32]  # (N,) number in the vocabulary
    start_ms: npt.NDArray[np.int64]  # (N,)
    end_ms: npt.NDArray[np.int64]  # (N,) exclusive
    tags: npt.NDArray[np.int32]  # (N,) number of the set of tags in the vocabulary

    @classmethod
    def room(cls, n_rows: int) -> Self:
        """Columns of `n_rows` rows that are yet to be written."""
        return cls(
            alive=np.zeros(n_rows, np.bool_),
            camera=np.zeros(n_rows, np.int32),
            start_ms=np.zeros(n_rows, np.int64),
            end_ms=np.zeros(n_rows, np.int64),
            tags=np.zeros(n_rows, np.int32),
        )

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """The rows of all `parts`, one after the other."""
        return cls(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(cls)))

    def copy(self) -> Self:
        return type(self)(*(array.copy() for array in self.arrays()))

    def head(self, n_rows: int) -> Self:
        """The first rows, as a view."""
        return type(self)(*(array[:n_rows] for array in self.arrays()))

    def take(self, rows: Array) -> Self:
        """A copy of the rows numbered `rows`, in that order."""
        return type(self)(*(array[rows] for array in self.arrays()))

    def write(self, row: int, entry: LogEntry, camera: int, tags: int) -> None:
        """Set the row to what an `add` or `update` says."""
        self.alive[row] = True
        self.camera[row] = camera
        self.start_ms[row], self.end_ms[row] = span(entry)
        self.tags[row] = tags

    def arrays(self) -> list[Array]:
        return [getattr(self, each.name) for each in fields(self)]
