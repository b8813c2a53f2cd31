"""The gallery's vectors: one writer, any number of searching threads."""

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import faiss
import numpy as np

from index.entries import Filter, Hit, Kind, LogEntry, Vector
from index.errors import ChecksumMismatch, LogGap
from index.vectors.columns import KINDS
from index.vectors.compaction import merge, plan, put_in_place
from index.vectors.draft import Draft
from index.vectors.growing import Growing
from index.vectors.search import search
from index.vectors.segment import Segment
from index.vectors.snapshot_writer import write_snapshot
from index.vectors.state import State
from index.vectors.vocabulary import Vocabulary


class Gallery:
    """All tracks of one space at one position of the log, searchable while the log is applied.

    Searching takes the current `State` and never waits. `apply`, `load_records` and `compact` make the next one aside
    and put it in place in one assignment, one at a time.
    """

    def __init__(self, dimension: int, *, seal_rows: int = 8192) -> None:
        """An empty gallery at log position 0. After `seal_rows` new tracks the growing segment becomes a sealed one."""
        self._dimension = dimension
        self._seal_rows = seal_rows
        self._vocabulary = Vocabulary()
        self._growing = Growing(dimension, seal_rows)
        self._seq_of: dict[str, int] = {}  # of each live track the log entry that brought it
        self._state = State(0, 0, 0, (), self._growing.view(0, self._growing.columns))
        self._writing = threading.Lock()
        self._compacting = threading.Lock()

    @classmethod
    def restored(
        cls, segments: Sequence[Segment], vocabulary: Vocabulary, version: int, checksum: int, dimension: int
    ) -> "Gallery":
        """A gallery that holds `segments`, whose live tracks give `checksum`, at log position `version`."""
        gallery = cls(dimension)
        gallery._vocabulary = vocabulary
        for segment in segments:
            gallery._seq_of.update(zip(segment.rows.track_ids, segment.rows.seq.tolist(), strict=True))
        gallery._state = State(version, len(gallery._seq_of), checksum, tuple(segments), gallery._state.growing)
        return gallery

    @property
    def dimension(self) -> int:
        return self._dimension

    @property
    def version(self) -> int:
        """`seq` of the last log entry applied."""
        return self._state.version

    @property
    def count(self) -> int:
        """Tracks that can be found."""
        return self._state.count

    @property
    def checksum(self) -> int:
        """Sum mod 2^64 of the tracks' `track_digest`."""
        return self._state.checksum

    def counts(self) -> dict[Kind, int]:
        """Tracks that can be found, by kind."""
        per_segment = [segment.counts() for segment in self._state.segments]
        return {kind: sum(counts[number] for counts in per_segment) for number, kind in enumerate(KINDS)}

    def bytes(self) -> int:
        """Memory that vectors and columns take; the table of track ids is not counted."""
        return self._growing.nbytes() + sum(segment.nbytes() for segment in self._state.sealed)

    def apply(self, entries: Sequence[LogEntry]) -> None:
        """Carry out log entries in the order of `seq`, all or none; those applied before are skipped.

        Raises:
            LogGap: the entries do not continue where the gallery stands.
            ChecksumMismatch: count or checksum after the last entry are not what the entry says.
            ValueError: an `add` whose vector is not D finite numbers.
        """
        with self._writing:
            new = [entry for entry in entries if entry.seq > self._state.version]
            if not new:
                return
            draft = self._draft()
            for entry in new:
                if entry.seq != draft.version + 1:
                    raise LogGap(draft.version, entry.seq)
                draft.apply(entry)
                draft.version = entry.seq
            _compare(draft, new[-1])
            self._publish(draft)

    def load_records(self, entries: Iterable[LogEntry], version: int) -> None:
        """Fill the empty gallery from a scan of the tracks; `version` is the log's head noted before the scan.

        `entries` are `add`s in any order; a track may come twice, as scans do that. They may be newer than `version`,
        and tracks may be missing that were removed during the scan. So nothing is compared here: the caller reads the
        log's head again after the scan and applies everything up to there in one `apply`, which changes nothing that
        the scan saw already and compares count and checksum at its end. Until then the gallery is not to be searched.

        Raises:
            ValueError: the gallery is not empty, or a vector is not D finite numbers.
        """
        with self._writing:
            if self._state.version or self._state.count:
                raise ValueError(f"records are loaded into an empty gallery, and this one is at {self._state.version}")
            draft = self._draft()
            tracks = {entry.track_id: entry for entry in entries}
            for entry in sorted(tracks.values(), key=lambda entry: entry.seq):
                draft.apply(entry)
            # What is replayed may be older than what was loaded, and a segment's rows are in the order of the log.
            draft.seal()
            draft.version = version
            self._publish(draft)
        self.compact()

    def search(
        self,
        vectors: Vector,
        k: int,
        filters: Sequence[Filter],
        min_scores: Sequence[float | None],
        *,
        threads: int = 1,
    ) -> list[list[Hit]]:
        """The k tracks with the highest scores that each query's filter lets through, best first, older first if equal.

        Fewer than k come back only if no more pass filter and minimum score. All queries see one state of the gallery.

        Args:
            vectors: float32 (Q, D), unit length; not changed.
            k: at least 1.
            filters: Q of them.
            min_scores: Q of them; None asks for no minimum.
            threads: how many FAISS may use. More than one shortens large batches on idle processors; on busy ones the
                threads wait for each other, and even a single query takes many times as long.

        Raises:
            ValueError: shapes or numbers are not as above.
        """
        queries = self._checked(vectors, k)
        if not len(queries) == len(filters) == len(min_scores):
            raise ValueError(
                f"each query needs a filter and a minimum score: {len(queries)} queries, {len(filters)} filters, "
                f"{len(min_scores)} minimum scores"
            )
        faiss.omp_set_num_threads(threads)  # counts for the calling thread only
        return search(self._state, self._vocabulary, queries, k, filters, min_scores)

    def compact(self) -> None:
        """Merge small segments and free the memory of removed tracks. Slow; searching and applying go on meanwhile."""
        with self._compacting:
            while self._compact_one():
                pass

    @property
    def compaction_due(self) -> bool:
        """Whether `compact` has something to do."""
        return bool(plan(self._state.sealed))

    def snapshot(self, root: Path, space_id: str) -> Path:
        """Write the gallery as it is now to the folder `{root}/{space_id}/{version, 20 digits}`, whole or not at all.

        Searching and applying go on meanwhile. The folder may exist already, from this process or another.

        Raises:
            OSError: the disk is full, say; nothing is left behind.
        """
        return write_snapshot(self._state, self._vocabulary, root, space_id, self._dimension)

    def _draft(self) -> Draft:
        return Draft(self._state, self._growing, self._seq_of, self._vocabulary, self._seal_rows)

    def _compact_one(self) -> bool:
        """Merge one run, so that its memory is free before the next one is copied; False when there was none."""
        runs = plan(self._state.sealed)
        if runs:
            merged = merge(runs[0])
            with self._writing:
                self._state = put_in_place(self._state, merged)
        return bool(runs)

    def _publish(self, draft: Draft) -> None:
        self._growing = draft.growing
        self._growing.columns = draft.columns
        for track_id, seq in draft.moved.items():
            if seq is None:
                self._seq_of.pop(track_id, None)
            else:
                self._seq_of[track_id] = seq
        self._state = draft.state()

    def _checked(self, vectors: Vector, k: int) -> Vector:
        if k < 1:
            raise ValueError(f"k is the number of hits wanted, at least 1, and not {k}")
        queries: Vector = np.ascontiguousarray(vectors, np.float32)
        if queries.ndim != 2 or queries.shape[1] != self._dimension:
            raise ValueError(f"queries are (Q, {self._dimension}), got {queries.shape}: they are of another encoder")
        if not np.isfinite(queries).all():
            raise ValueError("queries must be finite: a vector with NaN or infinity is near to nothing")
        return queries


def _compare(draft: Draft, entry: LogEntry) -> None:
    if (draft.count, draft.checksum) != (entry.count, entry.checksum):
        raise ChecksumMismatch(
            f"after log entry {entry.seq} the index would hold {draft.count} tracks, sum {draft.checksum:016x}, "
            f"and the records hold {entry.count}, sum {entry.checksum:016x}: rebuild the index from the records"
        )
