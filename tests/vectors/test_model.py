"""Any order of changes, sealing, compaction and restarts, compared with the plain model after each step."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from index.entries import Filter, Kind
from index.vectors.gallery import Gallery
from index.vectors.snapshots import load
from tests.vectors.records import DIMENSION, Records

# Snapshots wait for the disk, which would be most of this test's time.
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None

# Eighths have exact products and sums, and few of them make many equal scores.
eighths = st.lists(st.integers(-4, 4).map(lambda number: number / 8), min_size=DIMENSION, max_size=DIMENSION)
kinds: st.SearchStrategy[Kind] = st.sampled_from(["video", "image"])
items = st.sampled_from(["item-a", "item-b", "item-c"])
cameras = st.sampled_from(["left", "right", "back"])
times = st.integers(0, 20)
spans = st.none() | st.tuples(times, st.integers(0, 6)).map(lambda pair: (pair[0], pair[0] + pair[1]))
tags = st.dictionaries(st.sampled_from("xyz"), st.sampled_from("12"), max_size=3)
filters = st.builds(
    Filter,
    kind=st.none() | kinds,
    camera_ids=st.lists(cameras, max_size=2, unique=True).map(tuple),
    from_ms=st.none() | times,
    to_ms=st.none() | times,
    tags=tags.map(lambda pairs: tuple(sorted(pairs.items())[:2])),
    item_ids=st.lists(items, max_size=2, unique=True).map(tuple),
    exclude_item_ids=st.lists(items, max_size=1).map(tuple),
)


class GalleryAgainstModel(RuleBasedStateMachine):
    """`apply` sees the log in portions, as a worker does."""

    @initialize(seal_rows=st.integers(1, 12))
    def begin(self, seal_rows: int) -> None:
        self.records = Records()
        self.gallery = Gallery(DIMENSION, seal_rows=seal_rows)
        self.n_added = 0

    @rule(
        vector=eighths,
        kind=kinds,
        item=items,
        camera=st.none() | cameras,
        span=spans,
        words=tags,
        times=st.integers(1, 9),
    )
    def add(
        self,
        vector: list[float],
        kind: Kind,
        item: str,
        camera: str | None,
        span: tuple[int, int] | None,
        words: dict[str, str],
        times: int,
    ) -> None:
        for _ in range(times):
            self.n_added += 1
            track_id = f"track-{self.n_added}"
            self.records.add(track_id, vector, kind=kind, item_id=item, camera_id=camera, span=span, tags=words)
            vector = [*vector[1:], -vector[0]]

    @precondition(lambda self: self.records.tracks)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        self.records.remove(data.draw(st.sampled_from(sorted(self.records.tracks))))

    @precondition(lambda self: self.records.tracks)
    @rule(data=st.data(), camera=st.none() | cameras, span=spans, words=tags)
    def update(
        self, data: st.DataObject, camera: str | None, span: tuple[int, int] | None, words: dict[str, str]
    ) -> None:
        track_id = data.draw(st.sampled_from(sorted(self.records.tracks)))
        self.records.update(track_id, camera_id=camera, span=span, tags=words)

    @rule()
    def apply(self) -> None:
        self.gallery.apply(self.records.log[max(0, self.gallery.version - 2) :])

    @rule()
    def compact(self) -> None:
        self.gallery.compact()
        assert not self.gallery.compaction_due

    @rule()
    def restart(self) -> None:
        with tempfile.TemporaryDirectory(dir=IN_MEMORY) as root:
            version = self.gallery.version
            assert self.gallery.snapshot(Path(root), "space").name == f"{version:020d}"
            loaded = load(Path(root), "space", DIMENSION)
        assert loaded is not None
        assert loaded.version == version
        self.gallery = loaded

    @rule(queries=st.lists(st.tuples(eighths, filters, st.none() | st.floats(-1, 1)), max_size=4), k=st.integers(1, 30))
    def search(self, queries: list[tuple[list[float], Filter, float | None]], k: int) -> None:
        self.apply()
        vectors = np.array([vector for vector, _, _ in queries], np.float32).reshape(-1, DIMENSION)
        found = self.gallery.search(
            vectors, k, [wanted for _, wanted, _ in queries], [lowest for _, _, lowest in queries]
        )
        assert found == [
            self.records.search(vectors[number], k, wanted, lowest)
            for number, (_, wanted, lowest) in enumerate(queries)
        ]

    @invariant()
    def agrees_when_level(self) -> None:
        if self.gallery.version == self.records.head:
            assert (self.gallery.count, self.gallery.checksum) == (len(self.records.tracks), self.records.checksum)


TestGalleryAgainstModel = GalleryAgainstModel.TestCase
TestGalleryAgainstModel.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
