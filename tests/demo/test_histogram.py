import numpy as np
import pytest

from service.demo.histogram import BINS, colour_histogram, intersections, mean_histogram


def of(*colours: tuple[int, int, int]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.array([colours], np.uint8)


def test_each_colour_falls_into_its_own_bin() -> None:
    histogram = colour_histogram(of((255, 0, 0), (255, 0, 0), (0, 0, 255), (0, 32, 0)))
    expected = np.zeros(BINS**3, np.float32)
    expected[[7 * 64, 7, 8]] = 0.5, 0.25, 0.25
    np.testing.assert_array_equal(histogram, expected)
    assert histogram.dtype == np.float32


def test_a_clip_has_the_mean_of_its_frames() -> None:
    red, blue = of((255, 0, 0)), of((0, 0, 255))
    mean = mean_histogram([red, blue, blue, blue])
    assert mean[7 * 64] == pytest.approx(0.25)
    assert mean[7] == pytest.approx(0.75)


def test_a_clip_without_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        mean_histogram([])


def test_equal_histograms_overlap_wholly_and_disjoint_ones_not_at_all() -> None:
    red, blue = colour_histogram(of((255, 0, 0))), colour_histogram(of((0, 0, 255)))
    half = mean_histogram([of((255, 0, 0)), of((0, 0, 255))])
    overlaps = intersections(np.stack([red, half]), np.stack([red, blue, half]))
    np.testing.assert_allclose(overlaps, [[1, 0, 0.5], [0.5, 0.5, 1]])
