"""From a filter to the rows that it lets through."""

import numpy as np

from index.entries import Filter
from index.vectors.columns import KINDS, Array, Mask, item_number
from index.vectors.segment import Segment
from index.vectors.vocabulary import Vocabulary


def allowed(segment: Segment, wanted: Filter, vocabulary: Vocabulary) -> Mask | None:
    """True (N,) for each live row that the filter lets through; None when that is all rows."""
    if wanted.is_empty and not segment.n_dead:
        return None
    mask = segment.columns.alive.copy()
    if wanted.kind is not None:
        mask &= segment.rows.kind == KINDS.index(wanted.kind)
    if wanted.camera_ids:
        mask &= np.isin(segment.columns.camera, vocabulary.cameras_among(wanted.camera_ids))
    if wanted.from_ms is not None:
        mask &= segment.columns.end_ms > wanted.from_ms
    if wanted.to_ms is not None:
        mask &= segment.columns.start_ms < wanted.to_ms
    if wanted.tags:
        mask &= np.isin(segment.columns.tags, vocabulary.tag_sets_with(wanted.tags))
    if wanted.item_ids:
        mask &= np.isin(segment.rows.item, _numbers(wanted.item_ids))
    if wanted.exclude_item_ids:
        mask &= ~np.isin(segment.rows.item, _numbers(wanted.exclude_item_ids))
    return mask


def _numbers(item_ids: tuple[str, ...]) -> Array:
    return np.array([item_number(item_id) for item_id in item_ids], np.uint64)
