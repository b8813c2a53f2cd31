"""Non-maximum suppression: of boxes that cover the same thing, the one with the highest score."""

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float32]  # (N, 4): left, top, right, bottom


def overlap(box: Boxes, others: Boxes) -> npt.NDArray[np.float32]:
    """Intersection over union of one box (4,) with each of (N, 4); 0 where both are empty."""
    left_top = np.maximum(box[:2], others[:, :2])
    right_bottom = np.minimum(box[2:], others[:, 2:])
    shared: npt.NDArray[np.float32] = np.prod(np.clip(right_bottom - left_top, 0, None), axis=1)
    union = _area(box[None]) + _area(others) - shared
    ratio = np.zeros_like(shared)
    np.divide(shared, union, out=ratio, where=union > 0)
    return ratio


def suppress(boxes: Boxes, scores: npt.NDArray[np.float32], limit: float) -> list[int]:
    """Rows kept, best first: none of them overlaps a better one by more than `limit`."""
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(int(best))
        order = rest[overlap(boxes[best], boxes[rest]) <= limit]
    return kept


def _area(boxes: Boxes) -> npt.NDArray[np.float32]:
    area: npt.NDArray[np.float32] = np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=1)
    return area
