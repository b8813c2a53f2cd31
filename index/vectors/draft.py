"""A change in the making: log entries applied to copies, shown to readers all at once or never."""

from collections.abc import Mapping

import numpy as np

from index.entries import LogEntry, track_digest
from index.vectors.columns import Columns
from index.vectors.growing import Growing
from index.vectors.segment import Halves, Segment
from index.vectors.state import State
from index.vectors.vocabulary import Vocabulary

GROWING = -1  # the place of the growing segment among the segments


class Draft:
    """The gallery's next state. Dropping it undoes everything, as it writes only copies and rows no reader sees.

    An entry no newer than the `add` of the track it names is part of that track already and changes nothing, and one
    that names an absent track and brings none has nothing to change: so the log can be replayed over tracks that were
    read after the position where the replay begins.
    """

    def __init__(
        self, state: State, growing: Growing, seq_of: Mapping[str, int], vocabulary: Vocabulary, seal_rows: int
    ) -> None:
        """`seq_of`: for each live track the log entry that brought it."""
        self.version = state.version
        self.count = state.count
        self.checksum = state.checksum
        self.growing = growing
        self.columns = growing.columns
        self.moved: dict[str, int | None] = {}  # changes to `seq_of`; None: no longer there
        self._sealed = list(state.sealed)
        self._n_growing = len(state.growing)
        self._copied: set[int] = set()  # places of segments whose columns no reader has
        self._seq_of = seq_of
        self._vocabulary = vocabulary
        self._seal_rows = seal_rows

    def apply(self, entry: LogEntry) -> None:
        """Carry out one log entry.

        Raises:
            ValueError: an `add` whose vector is not D finite numbers.
        """
        present = self._present(entry.track_id)
        if present is not None and entry.seq <= present:
            return
        if present is not None and entry.operation == "update":
            self._update(entry, present)
        elif present is not None:
            self._remove(entry.track_id, present)
        if entry.operation == "add":
            self._add(entry)

    def seal(self) -> None:
        """Turn the growing segment into a sealed one."""
        segment = self.growing.sealed(self._n_growing, self.columns)
        if segment is not None:
            self._sealed.append(segment)
            self._copied.add(len(self._sealed) - 1)
        self.growing = Growing(self.growing.half(0).shape[0], self._seal_rows)
        self.columns = self.growing.columns
        self._n_growing = 0
        self._copied.add(GROWING)  # no reader has the new one yet

    def state(self) -> State:
        """What readers are to see."""
        return State(
            self.version,
            self.count,
            self.checksum,
            tuple(segment for segment in self._sealed if segment.n_alive),
            self.growing.view(self._n_growing, self.columns),
        )

    def _present(self, track_id: str) -> int | None:
        return self.moved[track_id] if track_id in self.moved else self._seq_of.get(track_id)

    def _add(self, entry: LogEntry) -> None:
        half = self._half(entry)
        if self._n_growing == self.growing.n_rows:
            self.seal()
        row = self._n_growing
        self.growing.put(row, entry, half)
        self._write(self.columns, row, entry)
        self._n_growing += 1
        self.moved[entry.track_id] = entry.seq
        self._tally(entry.track_id, half, 1)

    def _remove(self, track_id: str, seq: int) -> None:
        place, row = self._find(seq)
        if place == GROWING:
            self._own_columns(place).alive[row] = False
            half = self.growing.half(row)
        else:
            self._own_columns(place).alive[row] = False
            segment = self._sealed[place]
            self._sealed[place] = Segment(segment.rows, segment.columns, segment.n_alive - 1)
            half = segment.rows.vectors.halves[row]
        self.moved[track_id] = None
        self._tally(track_id, half, -1)

    def _update(self, entry: LogEntry, seq: int) -> None:
        place, row = self._find(seq)
        self._write(self._own_columns(place), row, entry)

    def _write(self, columns: Columns, row: int, entry: LogEntry) -> None:
        columns.write(row, entry, self._vocabulary.camera(entry.camera_id), self._vocabulary.tag_set(entry.tags))

    def _tally(self, track_id: str, half: Halves, sign: int) -> None:
        self.count += sign
        self.checksum = (self.checksum + sign * track_digest(track_id, half.tobytes())) % 2**64

    def _find(self, seq: int) -> tuple[int, int]:
        """Place and row of a live track. The newest are looked at first, as they are the likeliest to change."""
        row = self.growing.row_of(seq, self._n_growing)
        if row is not None:
            return GROWING, row
        for place in reversed(range(len(self._sealed))):
            row = self._sealed[place].row_of(seq)
            if row is not None:
                return place, row
        raise AssertionError(f"the track of log entry {seq} is listed and in no segment")

    def _own_columns(self, place: int) -> Columns:
        """Columns of a segment that no reader has, so that published rows may be written."""
        if place == GROWING:
            if GROWING not in self._copied:
                self.columns = self.columns.copy()
                self._copied.add(GROWING)
            return self.columns
        if place not in self._copied:
            segment = self._sealed[place]
            self._sealed[place] = Segment(segment.rows, segment.columns.copy(), segment.n_alive)
            self._copied.add(place)
        return self._sealed[place].columns

    def _half(self, entry: LogEntry) -> Halves:
        dimension = self.growing.half(0).shape[0]
        if len(entry.vector) != 2 * dimension:
            raise ValueError(
                f"log entry {entry.seq}: the vector of track {entry.track_id!r} has {len(entry.vector)} bytes, "
                f"a gallery of dimension {dimension} takes {2 * dimension}: it is of another encoder"
            )
        half: Halves = np.frombuffer(entry.vector, "<f2").astype(np.float16, copy=False)
        if not np.isfinite(half).all():
            raise ValueError(f"log entry {entry.seq}: the vector of track {entry.track_id!r} is not finite")
        return half
