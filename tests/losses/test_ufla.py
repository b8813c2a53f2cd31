"""Self-distillation across kinds against its formula, row by row."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.losses.errors import BadLossInput
from model.losses.ufla import cross_kind
from tests.losses.literal import assert_float32_under_autocast, assert_same, gradient, literal_entropy, normal, seeded


def literal(
    image: Tensor, clip: Tensor, teacher: tuple[Tensor, Tensor], weight: list[float], ways: tuple[float, float]
) -> Tensor:
    a, b = image.new_zeros(()), image.new_zeros(())
    for row, w in enumerate(weight):
        a = a + w * literal_entropy(teacher[1][row], image[row], 0.2)
        b = b + w * literal_entropy(teacher[0][row], clip[row], 0.2)
    return (ways[0] * a + ways[1] * b) / sum(ways) / (sum(weight) or 1)


@given(
    seed=st.integers(0, 2**16),
    weight=st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0]), min_size=1, max_size=5),
    ways=st.sampled_from([(1.0, 1.0), (1.0, 0.0), (0.0, 2.0), (0.3, 1.7)]),
)
@settings(max_examples=40, deadline=None)
def test_equals_its_formula(seed: int, weight: list[float], ways: tuple[float, float]) -> None:
    g = seeded(seed)
    rows = len(weight)
    teacher = normal(g, rows, 4).softmax(dim=1), normal(g, rows, 4).softmax(dim=1)
    assert_same(
        lambda image, clip: cross_kind(
            image,
            clip,
            *teacher,
            weight=torch.tensor(weight),
            to_image=ways[0],
            to_clip=ways[1],
            student_temperature=0.2,
        ),
        lambda image, clip: literal(image, clip, teacher, weight, ways),
        [normal(g, rows, 4), normal(g, rows, 4)],
    )


def test_treats_both_kinds_alike() -> None:
    g = seeded(0)
    image, clip = normal(g, 3, 4), normal(g, 3, 4)
    of_image, of_clip = normal(g, 3, 4).softmax(dim=1), normal(g, 3, 4).softmax(dim=1)
    one, other = cross_kind(image, clip, of_image, of_clip), cross_kind(clip, image, of_clip, of_image)
    torch.testing.assert_close(one, other)
    torch.testing.assert_close(one, literal(image / 0.5, clip / 0.5, (of_image, of_clip), [1, 1, 1], (1, 1)))


def test_is_exactly_nothing_where_no_row_counts() -> None:
    image = torch.randn(2, 3, requires_grad=True)
    targets = torch.full((2, 3), 1 / 3)
    loss = cross_kind(image, image, targets, targets, weight=torch.tensor([False, False]))
    assert loss.item() == 0
    assert not gradient(loss, image).any()


def test_the_teacher_is_a_constant() -> None:
    targets = torch.full((2, 3), 1 / 3, requires_grad=True)
    assert not cross_kind(torch.zeros(2, 3), torch.zeros(2, 3), targets, targets).requires_grad


@pytest.mark.parametrize("ways", [(0.0, 0.0), (-1.0, 2.0)])
def test_refuses_ways_without_weight(ways: tuple[float, float]) -> None:
    row = torch.zeros(1, 2)
    with pytest.raises(BadLossInput, match="two ways"):
        cross_kind(row, row, row, row, to_image=ways[0], to_clip=ways[1])


def test_is_float32_under_autocast() -> None:
    g = seeded(1)
    assert_float32_under_autocast(cross_kind, [normal(g, 3, 4) for _ in range(2)] + [normal(g, 3, 4).softmax(1)] * 2)
