"""From crops to one vector a person."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.worker.encoding import NoDirection, clips_of, encode_clips, person_vector, unit_mean
from tests.worker.colour_encoder import DIMENSION, SAMPLING, ColourEncoder


def unit_rows(n: int, seed: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    rows = np.random.default_rng(seed).normal(size=(n, 6)).astype(np.float32)
    unit: np.ndarray[tuple[int, int], np.dtype[np.float32]] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def test_padding_frames_do_not_count() -> None:
    crops = np.zeros((2, SAMPLING.frames, SAMPLING.height, SAMPLING.width, 3), np.uint8)
    crops[0, :2] = 200
    crops[1, :] = 200
    embeddings = encode_clips(ColourEncoder())(clips_of(crops, [2, 4]))
    assert [embedding.shape for embedding in embeddings] == [(DIMENSION,)] * 2
    np.testing.assert_allclose(embeddings[0], embeddings[1], atol=1e-6)


def test_as_many_lengths_as_clips() -> None:
    with pytest.raises(ValueError, match="shorter"):
        clips_of(np.zeros((2, 1, 4, 2, 3), np.uint8), [1])


@given(groups=st.lists(st.integers(1, 4), min_size=1, max_size=5), seed=st.integers(0, 1000))
def test_each_file_of_a_person_counts_the_same(groups: list[int], seed: int) -> None:
    rows = unit_rows(sum(groups), seed)
    files, first = [], 0
    for size in groups:
        mean = rows[first : first + size].mean(axis=0)
        files.append(mean / np.linalg.norm(mean))
        first += size
    expected = np.mean(files, axis=0)
    vector = person_vector(rows, groups)
    np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=1e-5)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_inputs_stay_as_they_are() -> None:
    rows = unit_rows(4, 0)
    before = rows.copy()
    person_vector(rows, [3, 1])
    np.testing.assert_array_equal(rows, before)


@pytest.mark.parametrize("rows", [[[1.0, 0.0], [-1.0, 0.0]], [[np.nan, 1.0]], [[np.inf, 1.0]]])
def test_what_has_no_direction_is_an_error_not_a_vector(rows: list[list[float]]) -> None:
    with pytest.raises(NoDirection):
        unit_mean(np.array(rows, np.float32))
