"""Merging small segments and leaving out what was removed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from index.vectors.columns import Columns
from index.vectors.segment import Ids, Rows, SealedVectors, Segment
from index.vectors.state import State

# A batch of queries goes through one segment after the other, which is the faster the more of a segment fits the
# processor's cache; and a change to one row copies the segment's columns.
MERGED_ROWS = 32_768
DEAD_FRACTION = 0.125  # of the rows of a segment, above which it is worth copying the others


@dataclass(frozen=True, slots=True)
class Merged:
    """New rows for a run of segments, and where each of them comes from."""

    sources: tuple[Rows, ...]
    kept: tuple[Ids, ...]  # for each source, the rows that were alive
    order: Ids  # brings the kept rows, one source after the other, into the order of `rows`
    rows: Rows | None  # None: nothing was alive


def plan(sealed: Sequence[Segment]) -> list[list[Segment]]:
    """Runs of neighbours that are better one segment, and single ones of which too much is dead."""
    runs: list[list[Segment]] = []
    n_alive = 0
    for segment in sealed:
        if runs and n_alive + segment.n_alive <= MERGED_ROWS:
            runs[-1].append(segment)
            n_alive += segment.n_alive
        else:
            runs.append([segment])
            n_alive = segment.n_alive
    return [run for run in runs if len(run) > 1 or run[0].n_dead > DEAD_FRACTION * len(run[0])]


def merge(run: Sequence[Segment]) -> Merged:
    """Copy the live rows of a run into one segment's. The slow part; needs no lock, as nothing it reads changes."""
    sources = tuple(segment.rows for segment in run)
    kept = tuple(np.flatnonzero(segment.columns.alive) for segment in run)
    parts = list(zip(sources, kept, strict=True))
    seq = np.concatenate([rows.seq[alive] for rows, alive in parts])
    order = np.argsort(seq)
    if not order.size:
        return Merged(sources, kept, order, None)
    track_ids = [rows.track_ids[row] for rows, alive in parts for row in alive.tolist()]
    halves = np.concatenate([rows.vectors.halves[alive] for rows, alive in parts])
    merged = Rows(
        SealedVectors(halves if (np.diff(seq) > 0).all() else halves[order]),
        seq[order],
        np.concatenate([rows.kind[alive] for rows, alive in parts])[order],
        np.concatenate([rows.item[alive] for rows, alive in parts])[order],
        [track_ids[row] for row in order.tolist()],
    )
    return Merged(sources, kept, order, merged)


def put_in_place(state: State, merged: Merged) -> State:
    """The state with the merged segment instead of its sources.

    Columns are taken from the sources as they are now: a track that was removed or changed while `merge` ran comes out
    removed or changed. Sources never disappear meanwhile, but for those that died altogether.
    """
    by_rows = {id(segment.rows): segment for segment in state.sealed}
    replaced = {id(rows) for rows in merged.sources}
    new = _segment(merged, by_rows)
    sealed: list[Segment] = []
    for segment in state.sealed:
        if id(segment.rows) not in replaced:
            sealed.append(segment)
        elif new is not None:
            sealed.append(new)
            new = None
    return replace(state, sealed=tuple(sealed))


def _segment(merged: Merged, by_rows: dict[int, Segment]) -> Segment | None:
    if merged.rows is None:
        return None
    parts = []
    for rows, kept in zip(merged.sources, merged.kept, strict=True):
        segment = by_rows.get(id(rows))
        parts.append(Columns.room(len(kept)) if segment is None else segment.columns.take(kept))
    columns = Columns.joined(parts).take(merged.order)
    n_alive = int(np.count_nonzero(columns.alive))
    return Segment(merged.rows, columns, n_alive) if n_alive else None
