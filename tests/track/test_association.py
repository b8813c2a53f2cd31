"""Overlaps and pairing against literal readings."""

from itertools import permutations

import numpy as np
import numpy.typing as npt
import pytest

from model.detect.nms import overlap
from model.track.association import overlaps, pair


def literal_overlap(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    """Counted cell by cell of the integer grid."""
    cells_a = {(x, y) for x in range(int(a[0]), int(a[2])) for y in range(int(a[1]), int(a[3]))}
    cells_b = {(x, y) for x in range(int(b[0]), int(b[2])) for y in range(int(b[1]), int(b[3]))}
    union = cells_a | cells_b
    return len(cells_a & cells_b) / len(union) if union else 0.0


@pytest.mark.parametrize("seed", range(5))
def test_overlaps_against_counted_cells_and_against_the_detectors(seed: int) -> None:
    rng = np.random.default_rng(seed)
    left_top = rng.integers(0, 12, (14, 2))
    boxes = np.concatenate([left_top, left_top + rng.integers(0, 12, (14, 2))], axis=1).astype(np.float32)
    ours = overlaps(boxes[:6], boxes[6:])
    want = [[literal_overlap(a, b) for b in boxes[6:]] for a in boxes[:6]]
    np.testing.assert_allclose(ours, want, atol=1e-12)
    np.testing.assert_allclose(ours[0], overlap(boxes[0], boxes[6:]), atol=1e-6)
    assert overlaps(boxes[:0], boxes).shape == (0, 14) and overlaps(boxes, boxes[:0]).shape == (14, 0)


def best_by_trying_all(likeness: npt.NDArray[np.float64], least: float) -> float:
    """The greatest sum of what pairs have above `least`, over every way to pair the shorter side."""
    gains = np.clip(likeness - least, 0, None)
    if gains.shape[0] > gains.shape[1]:
        gains = gains.T
    ways = permutations(range(gains.shape[1]), gains.shape[0])
    return max(float(sum(gains[row, column] for row, column in enumerate(way))) for way in ways)


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (2, 5), (5, 2), (4, 4)])
def test_pairs_are_the_best_of_all_ways(shape: tuple[int, int]) -> None:
    for seed in range(20):
        likeness = np.random.default_rng(seed).uniform(0, 1, shape)
        pairs = pair(likeness, 0.4)
        assert all(likeness[each] > 0.4 for each in pairs.together)
        total = sum(likeness[each] - 0.4 for each in pairs.together)
        assert total == pytest.approx(best_by_trying_all(likeness, 0.4))
        rows, columns = [row for row, _ in pairs.together], [column for _, column in pairs.together]
        assert sorted(rows + pairs.rows) == list(range(shape[0]))  # everybody once
        assert sorted(columns + pairs.columns) == list(range(shape[1]))


def test_nobody_is_paired_with_nobody() -> None:
    assert pair(np.zeros((0, 3)), 0.2) == ([], [], [0, 1, 2])
    assert pair(np.zeros((2, 0)), 0.2) == ([], [0, 1], [])
    assert pair(np.zeros((0, 0)), 0.2) == ([], [], [])
    assert pair(np.full((1, 1), 0.2), 0.2) == ([], [0], [0])  # not more than the limit


def test_the_greedy_choice_is_not_taken_where_it_costs_more() -> None:
    # Row 0 likes column 0 best, but then row 1 would have nobody.
    assert pair(np.array([[0.9, 0.8], [0.85, 0.1]]), 0.3).together == [(0, 1), (1, 0)]
