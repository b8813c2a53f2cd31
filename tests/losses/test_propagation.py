"""Temporal knowledge propagation against its formulas, frame by frame."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.losses.propagation import distance_propagation, feature_propagation
from tests.losses.literal import assert_float32_under_autocast, assert_same, gradient, normal, seeded


def literal_feature(image: Tensor, frame: Tensor) -> Tensor:
    total = image.new_zeros(())
    for i, f in zip(image, frame, strict=True):
        for d in range(len(i)):
            total = total + (i[d] - f[d]) ** 2
    return total / len(image)


def distance(a: Tensor, b: Tensor) -> Tensor:
    return torch.sqrt(((a - b) ** 2).sum()) if (a != b).any() else (a - b).sum()


def literal_distance(image: Tensor, frame: Tensor, variant: str) -> Tensor:
    norm = image.new_zeros(())  # ||D_image - D_frame||_F^2
    for a in range(len(image)):
        for b in range(len(image)):
            norm = norm + (distance(image[a], image[b]) - distance(frame[a], frame[b])) ** 2
    return norm / len(image) ** (2 if variant == "code" else 1)


@given(seed=st.integers(0, 2**16), frames=st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_features_equal_their_formula(seed: int, frames: int) -> None:
    g = seeded(seed)
    frame = normal(g, frames, 3)
    assert_same(lambda x: feature_propagation(x, frame), lambda x: literal_feature(x, frame), [normal(g, frames, 3)])


@pytest.mark.parametrize("variant", ["code", "paper"])
@given(seed=st.integers(0, 2**16), frames=st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_distances_equal_their_formula(variant: Any, seed: int, frames: int) -> None:
    g = seeded(seed)
    frame = normal(g, frames, 3)
    assert_same(
        lambda x: distance_propagation(x, frame, variant=variant),
        lambda x: literal_distance(x, frame, variant),
        [normal(g, frames, 3)],
    )


@pytest.mark.parametrize("loss", [feature_propagation, distance_propagation])
def test_the_video_side_is_a_constant(loss: Any) -> None:
    g = seeded(0)
    assert not loss(normal(g, 4, 3), normal(g, 4, 3).requires_grad_()).requires_grad


@pytest.mark.parametrize("loss", [feature_propagation, distance_propagation])
def test_is_nothing_without_frames_and_for_equal_frames(loss: Any) -> None:
    none = torch.zeros(0, 3, requires_grad=True)
    assert loss(none, none).item() == 0
    assert gradient(loss(none, none), none).shape == none.shape
    same = torch.ones(4, 3, requires_grad=True)
    assert loss(same, same).item() == 0
    assert not gradient(loss(same, same), same).any()


def test_is_finite_where_images_coincide_and_frames_do_not() -> None:
    image = torch.ones(4, 3, requires_grad=True)
    loss = distance_propagation(image, normal(seeded(1), 4, 3).float())
    assert loss.item() > 0
    assert not gradient(loss, image).any()


@pytest.mark.parametrize("loss", [feature_propagation, distance_propagation])
def test_is_float32_under_autocast(loss: Any) -> None:
    g = seeded(1)
    assert_float32_under_autocast(loss, [normal(g, 4, 3), normal(g, 4, 3)])
