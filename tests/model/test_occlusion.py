"""Occluded bands and who stands in for them, against literal readings."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.layers.occlusion import BANDS, THRESHOLD, band_features, band_mask, band_scores, neighbours
from tests.losses.literal import assert_float32_under_autocast, normal, seeded


def literal_score(video: Tensor, t: int, k: int) -> float:
    """Of band k in frame t of one video (T, K, C)."""
    frames, _, channels = video.shape
    mean = [sum(float(video[s, k, c]) for s in range(frames)) / frames for c in range(channels)]
    own = [float(video[t, k, c]) for c in range(channels)]
    dot = sum(a * b for a, b in zip(own, mean, strict=True))
    return dot / math.sqrt(sum(a * a for a in own)) / math.sqrt(sum(b * b for b in mean))


@given(seed=st.integers(0, 2**16), frames=st.integers(2, 5))
@settings(max_examples=20, deadline=None)
def test_scores_equal_their_formula(seed: int, frames: int) -> None:
    features = normal(seeded(seed), 2, frames, BANDS, 4)
    scores = band_scores(features)
    for b in range(2):
        for t in range(frames):
            for k in range(BANDS):
                assert scores[b, t, k].item() == pytest.approx(literal_score(features[b], t, k), abs=1e-9)


def test_a_video_of_one_frame_or_of_copies_has_nothing_strange() -> None:
    features = torch.rand(2, 1, BANDS, 4, generator=seeded(0))
    features[0, 0, 1] = 0
    assert torch.equal(band_scores(features), torch.ones(2, 1, BANDS))
    assert (band_scores(features.expand(-1, 4, -1, -1)) > 0.999).all()


def test_a_band_that_is_blank_once_is_below_the_threshold() -> None:
    features = torch.rand(1, 4, BANDS, 8, generator=seeded(1)) * 0.1 + 1
    features[0, 2, 1] = -features[0, 2, 1]
    assert (band_scores(features) < THRESHOLD).nonzero().tolist() == [[0, 2, 1]]


def test_scores_are_float32_under_autocast() -> None:
    assert_float32_under_autocast(lambda x: band_scores(x).sum(), [normal(seeded(1), 2, 3, BANDS, 4)])


@pytest.mark.parametrize(
    ("height", "rows"), [(6, [(0, 2), (2, 4), (4, 6)]), (4, [(0, 2), (1, 3), (2, 4)]), (1, [(0, 1)] * 3)]
)
def test_a_band_s_feature_is_the_mean_of_its_third(height: int, rows: list[tuple[int, int]]) -> None:
    maps = normal(seeded(2), 2, 3, 5, height, 2)
    wanted = torch.stack([maps[..., low:high, :].mean((3, 4)) for low, high in rows], dim=2)
    torch.testing.assert_close(band_features(maps), wanted)


@pytest.mark.parametrize("height", [3, 64, 128, 256])
def test_each_row_of_a_picture_lies_in_one_band(height: int) -> None:
    mask = band_mask(torch.eye(BANDS, dtype=torch.bool), height)
    assert mask.shape == (BANDS, 1, height, 1)
    assert torch.equal(mask.sum(0).flatten(), torch.ones(height, dtype=torch.int64))
    for k in range(BANDS):
        rows = mask[k].flatten().nonzero().flatten()
        assert abs(len(rows) - height / BANDS) < 1
        assert torch.equal(rows, torch.arange(int(rows[0]), int(rows[-1]) + 1))


def literal_neighbours(occluded: list[bool], t: int) -> tuple[int, int]:
    earlier = [s for s in range(t) if not occluded[s]]
    later = [s for s in range(t + 1, len(occluded)) if not occluded[s]]
    if not earlier and not later:
        return -1, -1
    return (earlier[-1] if earlier else later[0]), (later[0] if later else earlier[-1])


@given(clips=st.integers(1, 7).flatmap(lambda t: st.lists(st.lists(st.booleans(), min_size=t, max_size=t), min_size=1)))
@settings(max_examples=60, deadline=None)
def test_neighbours_equal_their_rule(clips: list[list[bool]]) -> None:
    previous, following = neighbours(torch.tensor(clips))
    for b, clip in enumerate(clips):
        for t in range(len(clip)):
            assert (int(previous[b, t]), int(following[b, t])) == literal_neighbours(clip, t)


def test_backwards_in_time_the_neighbours_change_places() -> None:
    occluded = torch.rand(20, 8, generator=seeded(3)) < 0.5
    previous, following = neighbours(occluded)
    later, earlier = (each.flip(1) for each in neighbours(occluded.flip(1)))
    assert torch.equal(torch.where(earlier < 0, -1, 7 - earlier), previous)
    assert torch.equal(torch.where(later < 0, -1, 7 - later), following)
