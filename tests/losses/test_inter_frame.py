"""The regularisation between frames against its formula, pair by pair."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.losses.inter_frame import inter_frame
from tests.losses.literal import assert_float32_under_autocast, assert_same, gradient, normal, seeded


def literal(attention: Tensor) -> Tensor:
    clips, _, frames = attention.shape
    total = attention.new_zeros(())
    for clip in attention:
        for t in range(frames):
            for u in range(frames):
                if t != u:
                    total = total + torch.sqrt(((clip[:, t] - clip[:, u]) ** 2).sum()) / (frames * (frames - 1))
    return total / clips


@given(seed=st.integers(0, 2**16), clips=st.integers(1, 3), frames=st.integers(2, 5))
@settings(max_examples=30, deadline=None)
def test_equals_its_formula(seed: int, clips: int, frames: int) -> None:
    assert_same(inter_frame, literal, [normal(seeded(seed), clips, 4, frames)])


def test_is_nothing_for_single_frames_and_for_frames_attended_to_alike() -> None:
    for attention in (torch.rand(2, 4, 1), torch.rand(2, 4, 1).repeat(1, 1, 3)):
        attention.requires_grad_()
        assert inter_frame(attention).item() == 0
        assert not gradient(inter_frame(attention), attention).any()


def test_asks_no_order_of_frames() -> None:
    attention = normal(seeded(1), 2, 4, 5)
    torch.testing.assert_close(inter_frame(attention), inter_frame(attention.flip(2)))


def test_is_float32_under_autocast() -> None:
    assert_float32_under_autocast(inter_frame, [normal(seeded(1), 2, 4, 3)])
