"""Segments: runs of the gallery's tracks. A published segment never changes under its reader."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import faiss
import numpy as np
import numpy.typing as npt

from index.entries import Vector
from index.vectors.columns import KINDS, Array, Columns, Mask

# Some builds of FAISS bring type stubs, which know nothing of the arguments that its Python layer adds.
FAISS: Any = faiss

Halves = npt.NDArray[np.float16]
Ids = npt.NDArray[np.int64]


class Vectors(Protocol):
    """The vectors of a segment and a way to find the nearest of them."""

    @property
    def halves(self) -> Halves:
        """(N, D) float16, not to be written."""

    def nearest(self, queries: Vector, k: int, mask: Mask | None) -> tuple[Vector, Ids]:
        """Scores and rows, each (Q, k), of the `k` rows with the highest scores, in no promised order.

        `queries` is float32 (Q, D). Only rows where `mask` (N,) is True are looked at, of which there are at least
        `k`. Scores are as exact as float32 sums are.
        """

    def nbytes(self) -> int:
        """Memory held, bytes."""


class SealedVectors:
    """Vectors in a FAISS index that is complete before anybody searches it."""

    def __init__(self, halves: Halves) -> None:
        """Copies `halves`, float16 (N, D), N > 0."""
        n_rows, dimension = halves.shape
        index = FAISS.IndexScalarQuantizer(dimension, FAISS.ScalarQuantizer.QT_fp16, FAISS.METRIC_INNER_PRODUCT)
        # A code of QT_fp16 is the float16 itself: nothing is converted on the way in, nor for the views on it.
        index.is_trained = True
        index.add_sa_codes(np.ascontiguousarray(halves).view(np.uint8).reshape(n_rows, -1))
        codes = FAISS.rev_swig_ptr(index.codes.data(), n_rows * dimension * 2)
        self._index: Any = index  # keeps alive the memory that `halves` looks at
        self._halves: Halves = codes.view(np.float16).reshape(n_rows, dimension)
        self._halves.flags.writeable = False

    @property
    def halves(self) -> Halves:
        return self._halves

    def nearest(self, queries: Vector, k: int, mask: Mask | None) -> tuple[Vector, Ids]:
        if mask is None:
            scores, rows = self._index.search(queries, k)
            return scores, rows
        bits = np.packbits(mask, bitorder="little")
        params = FAISS.SearchParameters(sel=FAISS.IDSelectorBitmap(bits))
        scores, rows = self._index.search(queries, k, params=params)
        return scores, rows

    def nbytes(self) -> int:
        return int(self._halves.nbytes)


class LooseVectors:
    """Vectors still in the arrays they were written to; few, so each is scored.

    By FAISS, and not by a matrix product of numpy's: that one starts threads, which fight with the encoder's.
    """

    def __init__(self, halves: Halves, floats: Vector) -> None:
        """`halves` and `floats` hold the same numbers, (N, D), C-contiguous."""
        self._halves = halves
        self._floats = floats

    @property
    def halves(self) -> Halves:
        return self._halves

    def nearest(self, queries: Vector, k: int, mask: Mask | None) -> tuple[Vector, Ids]:
        n_rows, dimension = self._floats.shape
        scores = np.empty((len(queries), n_rows), np.float32)
        floats = FAISS.swig_ptr(self._floats)
        for query, row in zip(queries, scores, strict=True):
            FAISS.fvec_inner_products_ny(FAISS.swig_ptr(row), FAISS.swig_ptr(query), floats, dimension, n_rows)
        if mask is not None:
            scores[:, ~mask] = -np.inf
        rows = np.argpartition(scores, n_rows - k, axis=1)[:, n_rows - k :]
        return np.take_along_axis(scores, rows, axis=1), rows

    def nbytes(self) -> int:
        return self._halves.nbytes + self._floats.nbytes


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What never changes about a segment's tracks, in ascending order of `seq`. Compared by identity."""

    vectors: Vectors
    seq: Ids  # (N,)
    kind: npt.NDArray[np.int8]  # (N,) place in KINDS
    item: npt.NDArray[np.uint64]  # (N,) `item_number`
    track_ids: Sequence[str]  # the first N are this segment's

    def __len__(self) -> int:
        return len(self.seq)


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Tracks as one reader sees them."""

    rows: Rows
    columns: Columns
    n_alive: int

    @classmethod
    def sealed(
        cls, halves: Halves, seq: Ids, kind: Array, item: Array, track_ids: list[str], columns: Columns
    ) -> "Segment":
        """A segment over a FAISS index of its own. Takes over all arrays but `halves`, which is copied."""
        rows = Rows(SealedVectors(halves), seq, kind, item, track_ids)
        return cls(rows, columns, int(np.count_nonzero(columns.alive)))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def n_dead(self) -> int:
        return len(self) - self.n_alive

    def row_of(self, seq: int) -> int | None:
        """The row of the track that the log entry `seq` brought."""
        row = int(self.rows.seq.searchsorted(seq))
        return row if row < len(self) and self.rows.seq[row] == seq else None

    def count(self, kind_number: int) -> int:
        """Live tracks of a kind."""
        return int(np.count_nonzero(self.columns.alive & (self.rows.kind == kind_number)))

    def counts(self) -> list[int]:
        """Live tracks by kind, in the order of KINDS."""
        return [self.count(number) for number in range(len(KINDS))]

    def nbytes(self) -> int:
        """Memory held in arrays, bytes; without the ids, which the gallery's own table shares."""
        arrays: list[Array] = [self.rows.seq, self.rows.kind, self.rows.item, *self.columns.arrays()]
        return self.rows.vectors.nbytes() + sum(array.nbytes for array in arrays)
