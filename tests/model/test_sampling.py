"""Which frames of a track make its clips: DESIGN's rule, min(ceil(n / T), 8) clips spread over the whole track."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.sampling import EVEN, Sampling, frame_indices, n_clips

TRACKS = {"n_frames": st.integers(1, 3000), "frames": st.integers(1, 16), "max_clips": st.integers(1, 8)}


@given(**TRACKS)
def test_clips_cover_the_track_evenly_and_in_order(n_frames: int, frames: int, max_clips: int) -> None:
    sampling = Sampling(frames, 256, 128, max_clips)
    clips = frame_indices(n_frames, sampling)
    assert len(clips) == n_clips(n_frames, sampling) == min(math.ceil(n_frames / frames), max_clips)
    assert all(len(clip) == frames for clip in clips[:-1]) and 1 <= len(clips[-1]) <= frames
    chosen = np.concatenate(clips)
    steps = np.diff(chosen)
    assert (steps >= 1).all()
    assert len(steps) == 0 or steps.max() - steps.min() <= 1
    assert chosen[0] - 0 <= math.ceil(n_frames / len(chosen) / 2)
    assert n_frames - 1 - chosen[-1] <= math.ceil(n_frames / len(chosen) / 2)
    if n_frames <= frames * max_clips:
        assert chosen.tolist() == list(range(n_frames))


@given(**TRACKS)
def test_even_clips_show_the_same_frames_in_equal_parts(n_frames: int, frames: int, max_clips: int) -> None:
    plain = Sampling(frames, 256, 128, max_clips)
    clips, others = frame_indices(n_frames, replace(plain, rule=EVEN)), frame_indices(n_frames, plain)
    assert len(clips) == len(others) and np.array_equal(np.concatenate(clips), np.concatenate(others))
    lengths = [len(clip) for clip in clips]
    assert max(lengths) <= frames and max(lengths) - min(lengths) <= 1
    if n_frames > 1 and frames > 2:
        assert min(lengths) > 1


def test_a_track_without_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        frame_indices(0, Sampling(8, 256, 128))
