"""Searching while the log is applied and segments are sealed and merged."""

import threading

import numpy as np

from index.entries import Filter, Hit
from index.vectors.gallery import Gallery
from tests.vectors.records import Records, unit

WIDTH = 16
GROUP = 8  # tracks that are added, changed and removed together


def test_every_search_sees_one_moment() -> None:
    """A writer keeps groups whole: who finds a part of a group has seen half a change."""
    records = Records()
    rng = np.random.default_rng(0)
    portions = [_write(records, rng, number) for number in range(160)]
    gallery = Gallery(WIDTH, seal_rows=3 * GROUP + 1)
    written = threading.Event()
    failures: list[str] = []
    n_searches = [0, 0, 0]

    def look(place: int) -> None:
        own = np.random.default_rng(place)
        try:
            while not written.is_set() or not n_searches[place]:
                _check(gallery.search(unit(own, 3, WIDTH), 10_000, FILTERS, [None] * 3))
                n_searches[place] += 1
        except Exception as error:
            failures.append(repr(error))

    def merge() -> None:
        try:
            while not written.is_set():
                gallery.compact()
        except Exception as error:
            failures.append(repr(error))

    threads = [threading.Thread(target=look, args=(place,)) for place in range(3)]
    threads.append(threading.Thread(target=merge))
    for thread in threads:
        thread.start()
    for first, last in portions:
        gallery.apply(records.log[first:last])
    written.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert all(n_searches)
    assert (gallery.count, gallery.checksum) == (len(records.tracks), records.checksum)
    query = unit(rng, 1, WIDTH)
    assert gallery.search(query, 50, [Filter()], [None]) == [records.search(query[0], 50, Filter(), None)]


FILTERS = [Filter(), Filter(camera_ids=("moved",)), Filter(tags=(("state", "new"),))]


def _write(records: Records, rng: np.random.Generator, number: int) -> tuple[int, int]:
    """Write one portion of the log: a new group, and a change to or the end of an older one."""
    first = records.head
    for member, vector in enumerate(unit(rng, GROUP, WIDTH)):
        records.add(f"{number}/{member}", vector, item_id=str(number), tags={"state": "new"})
    chosen = int(rng.integers(number + 1))
    members = [track_id for track_id in records.tracks if track_id.split("/")[0] == str(chosen)]
    for track_id in members:
        if number % 2:
            records.remove(track_id)
        else:
            records.update(track_id, camera_id="moved", span=(1, 2), tags={"state": "old"})
    return first, records.head


def _check(found: list[list[Hit]]) -> None:
    groups = []
    for hits in found:
        ids = [hit.track_id for hit in hits]
        assert len(set(ids)) == len(ids), "a track came twice"
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        counted: dict[str, int] = {}
        for track_id in ids:
            group = track_id.split("/")[0]
            counted[group] = counted.get(group, 0) + 1
        assert set(counted.values()) <= {GROUP}, f"half a change was seen: {counted}"
        groups.append(set(counted))
    everything, moved, new = groups
    assert not moved & new, "a group was seen before and after its change"
    assert moved | new == everything
