"""Clips of exactly T frames: windows of neighbours, or one frame of each part of a track."""

from typing import Literal

import numpy as np
import pytest

from model.data.samplers import ClipSampler, Draw, PersonSampler
from tests.training.crowd import data

RULES: tuple[Literal["window", "chunks"], ...] = ("window", "chunks")


def draw(rule: Literal["window", "chunks"], frames: int, stride: int = 1, step: int = 0) -> Draw:
    return ClipSampler(PersonSampler(data(), (4, 2), 2, frames, 1), rule, stride).draw(step)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("frames", [1, 2, 3, 7])
def test_every_frame_is_real_and_of_its_track(rule: Literal["window", "chunks"], frames: int) -> None:
    """The tracks have three frames: fewer are chosen of them, more begin again."""
    drawn, tracks = draw(rule, frames), data().tracks
    assert drawn.rows.shape == (12, frames) and drawn.mask.all()
    for rows, number in zip(drawn.rows, drawn.track, strict=True):
        own = tracks[number].rows.tolist()
        assert set(rows.tolist()) <= set(own)
        assert len(set(rows.tolist())) == min(frames, len(own)) or rule == "chunks"


def test_a_window_is_of_neighbours_in_order_and_a_short_track_begins_again() -> None:
    tracks = data().tracks
    for step in range(5):
        two, seven = draw("window", 2, step=step), draw("window", 7, step=step)
        assert set(np.diff(two.rows).ravel()) == {1}
        for rows, number in zip(seven.rows, seven.track, strict=True):
            assert rows.tolist() == [tracks[number].rows[place % 3] for place in range(7)]


def test_a_stride_is_kept_where_the_track_is_long_enough() -> None:
    assert set(np.diff(draw("window", 2, stride=2).rows).ravel()) == {2}
    assert set(np.diff(draw("window", 3, stride=2).rows).ravel()) == {1}


def test_chunks_take_one_frame_of_each_part_in_order_of_time() -> None:
    for step in range(5):
        assert set(np.diff(draw("chunks", 3, step=step).rows).ravel()) == {1}
        assert (np.diff(draw("chunks", 2, step=step).rows) >= 0).all()  # the middle one belongs to both


@pytest.mark.parametrize("rule", RULES)
def test_a_step_always_draws_the_same(rule: Literal["window", "chunks"]) -> None:
    assert draw(rule, 2, step=3).rows.tolist() == draw(rule, 2, step=3).rows.tolist()
    assert draw(rule, 2, step=3).rows.tolist() != draw(rule, 2, step=4).rows.tolist()
