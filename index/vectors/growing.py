"""The one segment that still grows."""

import numpy as np

from index.entries import LogEntry
from index.vectors.columns import KINDS, Array, Columns, item_number
from index.vectors.segment import Halves, LooseVectors, Rows, Segment


class Growing:
    """Room for the newest tracks. One writer fills rows that no reader sees yet; `view` shows readers the first n.

    Nothing in a row that was shown is written again, but for `columns`: whoever has to change one of those there
    replaces `columns` by a changed copy.
    """

    def __init__(self, dimension: int, n_rows: int) -> None:
        self._halves: Halves = np.empty((n_rows, dimension), np.float16)
        self._floats = np.empty((n_rows, dimension), np.float32)
        self._seq = np.empty(n_rows, np.int64)
        self._kind = np.empty(n_rows, np.int8)
        self._item = np.empty(n_rows, np.uint64)
        self._track_ids: list[str] = []
        self.columns = Columns.room(n_rows)

    @property
    def n_rows(self) -> int:
        """How many rows there is room for."""
        return len(self._seq)

    def put(self, row: int, entry: LogEntry, half: Halves) -> None:
        """Write everything but the columns of the first row that no reader sees."""
        self._halves[row] = half
        self._floats[row] = half
        self._seq[row] = entry.seq
        self._kind[row] = KINDS.index(entry.kind)
        self._item[row] = item_number(entry.item_id)
        del self._track_ids[row:]  # left there by a change that failed and was never shown
        self._track_ids.append(entry.track_id)

    def half(self, row: int) -> Halves:
        """The vector of a row, float16 (D,)."""
        half: Halves = self._halves[row]
        return half

    def row_of(self, seq: int, n_rows: int) -> int | None:
        """The row, among the first `n_rows`, of the track that the log entry `seq` brought."""
        row = int(self._seq[:n_rows].searchsorted(seq))
        return row if row < n_rows and self._seq[row] == seq else None

    def view(self, n_rows: int, columns: Columns) -> Segment:
        """The first `n_rows` tracks, for readers."""
        vectors = LooseVectors(self._halves[:n_rows], self._floats[:n_rows])
        rows = Rows(vectors, self._seq[:n_rows], self._kind[:n_rows], self._item[:n_rows], self._track_ids)
        shown = columns.head(n_rows)
        return Segment(rows, shown, int(np.count_nonzero(shown.alive)))

    def sealed(self, n_rows: int, columns: Columns) -> Segment | None:
        """A sealed copy of what is alive among the first `n_rows`; None when nothing is."""
        kept = np.flatnonzero(columns.alive[:n_rows])
        if not kept.size:
            return None
        return Segment.sealed(
            self._halves[kept],
            self._seq[kept],
            self._kind[kept],
            self._item[kept],
            [self._track_ids[row] for row in kept.tolist()],
            columns.take(kept),
        )

    def nbytes(self) -> int:
        """Memory held in arrays, bytes."""
        arrays: list[Array] = [self._halves, self._floats, self._seq, self._kind, self._item, *self.columns.arrays()]
        return sum(array.nbytes for array in arrays)
