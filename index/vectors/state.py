"""The one object that a reader takes and a writer replaces."""

from dataclasses import dataclass

from index.vectors.segment import Segment


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """The gallery at one log position. Never changes; searching it needs no lock."""

    version: int  # `seq` of the last log entry it contains
    count: int  # live tracks
    checksum: int  # sum mod 2^64 of their digests
    sealed: tuple[Segment, ...]
    growing: Segment

    @property
    def segments(self) -> list[Segment]:
        """All segments that hold a live track."""
        return [segment for segment in (*self.sealed, self.growing) if segment.n_alive]
