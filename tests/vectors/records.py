"""What the other half of the gallery does, in a few plain lines: the model that the index is compared with."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from index.entries import Filter, Hit, Kind, LogEntry, Vector, track_digest

SPACE = "tiny-0123"
DIMENSION = 4

# Each kind of condition, on tracks as `filled` makes them.
FILTERS = [
    Filter(),
    Filter(kind="image"),
    Filter(camera_ids=("camera-1", "camera-new", "never seen")),
    Filter(camera_ids=("never seen",)),
    Filter(from_ms=100),
    Filter(to_ms=100),
    Filter(from_ms=100, to_ms=300),
    Filter(tags=(("site", "site-1"),)),
    Filter(tags=(("site", "site-1"), ("floor", "0"))),
    Filter(tags=(("site", "new"), ("floor", "0"))),
    Filter(tags=(("site", "nowhere"),)),
    Filter(item_ids=("item-3", "item-4", "no item")),
    Filter(exclude_item_ids=("item-3", "item-4")),
    Filter(kind="video", camera_ids=("camera-2",), from_ms=0, tags=(("floor", "0"),), exclude_item_ids=("item-1",)),
]


@dataclass
class Records:
    """Tracks by id and the log that led to them."""

    log: list[LogEntry] = field(default_factory=list)
    tracks: dict[str, LogEntry] = field(default_factory=dict)

    @property
    def head(self) -> int:
        return len(self.log)

    @property
    def checksum(self) -> int:
        return sum(track_digest(track.track_id, track.vector) for track in self.tracks.values()) % 2**64

    def add(
        self,
        track_id: str,
        vector: Sequence[float] | Vector,
        *,
        kind: Kind = "video",
        item_id: str = "item",
        camera_id: str | None = None,
        span: tuple[int, int] | None = None,
        tags: dict[str, str] | None = None,
    ) -> LogEntry:
        start_ms, end_ms = span or (None, None)
        entry = LogEntry(
            seq=self.head + 1,
            operation="add",
            track_id=track_id,
            count=0,
            checksum=0,
            item_id=item_id,
            kind=kind,
            camera_id=camera_id,
            start_ms=start_ms,
            end_ms=end_ms,
            tags=tags or {},
            vector=np.asarray(vector, "<f2").tobytes(),
        )
        self.tracks[track_id] = entry
        return self._logged(entry)

    def remove(self, track_id: str) -> LogEntry:
        track = self.tracks.pop(track_id)
        return self._logged(LogEntry(self.head + 1, "remove", track_id, 0, 0, item_id=track.item_id))

    def update(
        self, track_id: str, *, camera_id: str | None, span: tuple[int, int] | None, tags: dict[str, str]
    ) -> LogEntry:
        start_ms, end_ms = span or (None, None)
        changed = replace(self.tracks[track_id], camera_id=camera_id, start_ms=start_ms, end_ms=end_ms, tags=tags)
        self.tracks[track_id] = changed
        return self._logged(replace(changed, seq=self.head + 1, operation="update", vector=b""))

    def search(self, query: Vector, k: int, wanted: Filter, min_score: float | None) -> list[Hit]:
        """What the index must answer, by looking at every track."""
        found = [(score(query, track), track) for track in self.tracks.values() if passes(track, wanted)]
        found.sort(key=lambda pair: (-pair[0], pair[1].seq))
        hits = [Hit(track.track_id, value) for value, track in found[:k]]
        return [hit for hit in hits if min_score is None or hit.score >= min_score]

    def _logged(self, entry: LogEntry) -> LogEntry:
        self.log.append(replace(entry, count=len(self.tracks), checksum=self.checksum))
        return self.log[-1]


def score(query: Vector, track: LogEntry) -> float:
    """Inner product of float32 query and float16 vector, summed in float64, rounded to float32."""
    vector = np.frombuffer(track.vector, "<f2").astype(np.float64)
    return float(np.float32(np.dot(query.astype(np.float64), vector)))


def passes(track: LogEntry, wanted: Filter) -> bool:
    """Whether a filter lets a track through."""
    return (
        wanted.kind in (None, track.kind)
        and (not wanted.camera_ids or track.camera_id in wanted.camera_ids)
        and _overlaps(track, wanted)
        and all(track.tags.get(key) == value for key, value in wanted.tags)
        and (not wanted.item_ids or track.item_id in wanted.item_ids)
        and track.item_id not in wanted.exclude_item_ids
    )


def _overlaps(track: LogEntry, wanted: Filter) -> bool:
    if wanted.from_ms is None and wanted.to_ms is None:
        return True
    if track.start_ms is None or track.end_ms is None:
        return False
    after = wanted.from_ms is None or max(track.end_ms, track.start_ms + 1) > wanted.from_ms
    return after and (wanted.to_ms is None or track.start_ms < wanted.to_ms)


def unit(rng: np.random.Generator, n_rows: int, dimension: int = DIMENSION) -> Vector:
    """Random unit vectors, float32 (n_rows, dimension)."""
    vectors = rng.standard_normal((n_rows, dimension)).astype(np.float32)
    lengths: Vector = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / lengths


def filled(n_tracks: int, seed: int = 0) -> Records:
    """Records of random tracks with all kinds of columns, and a few updates and removals at the end."""
    rng = np.random.default_rng(seed)
    records = Records()
    for number, vector in enumerate(unit(rng, n_tracks)):
        records.add(
            f"track-{number}",
            vector,
            kind="image" if number % 3 else "video",
            item_id=f"item-{number // 2}",
            camera_id=f"camera-{number % 4}" if number % 5 else None,
            span=(number * 10, number * 10 + 25) if number % 7 else None,
            tags={"site": f"site-{number % 3}", "floor": str(number % 2)},
        )
    for number in range(0, n_tracks, 10):
        records.update(f"track-{number}", camera_id="camera-new", span=(0, 5), tags={"site": "new"})
    for number in range(5, n_tracks, 10):
        records.remove(f"track-{number}")
    return records
