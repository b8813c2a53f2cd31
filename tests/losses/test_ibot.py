"""Masked patch prediction against its formula, picture by picture and patch by patch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.losses.errors import BadLossInput
from model.losses.ibot import ibot_loss
from tests.losses.literal import assert_float32_under_autocast, assert_same, gradient, literal_entropy, normal, seeded


def literal(student: Tensor, teacher: Tensor, mask: Tensor, temperature: float) -> Tensor:
    total, place = student.new_zeros(()), 0
    for picture in mask:
        here = student.new_zeros(())
        masked = int(picture.sum())
        for patch in picture:
            if patch:
                here = here + literal_entropy(teacher[place], student[place], temperature)
                place += 1
        total = total + here / max(masked, 1)
    return total / len(mask)


@given(seed=st.integers(0, 2**16), pictures=st.integers(1, 5), share=st.floats(0, 1), temperature=st.floats(0.05, 1))
@settings(max_examples=40, deadline=None)
def test_equals_its_formula(seed: int, pictures: int, share: float, temperature: float) -> None:
    g = seeded(seed)
    mask = torch.rand(pictures, 5, generator=g) < share
    masked = int(mask.sum())
    teacher = normal(g, masked, 4).softmax(dim=1)
    assert_same(
        lambda x: ibot_loss(x, teacher, mask, student_temperature=temperature),
        lambda x: literal(x, teacher, mask, temperature),
        [normal(g, masked, 4)],
    )


def test_a_picture_counts_the_same_however_much_is_masked() -> None:
    mask = torch.tensor([[True, False, False], [True, True, True]])
    teacher = torch.tensor([[1.0, 0]]).expand(4, 2)
    one = ibot_loss(torch.tensor([[0.0, 1], [0, 0], [0, 0], [0, 0]]), teacher, mask)
    three = ibot_loss(torch.tensor([[0.0, 0], [0, 1], [0, 1], [0, 1]]), teacher, mask)
    torch.testing.assert_close(one, three)


def test_is_exactly_nothing_without_a_mask() -> None:
    student = torch.zeros(0, 4, requires_grad=True)
    loss = ibot_loss(student, torch.zeros(0, 4), torch.zeros(3, 5, dtype=torch.bool))
    assert loss.item() == 0
    assert gradient(loss, student).shape == (0, 4)


def test_the_teacher_is_a_constant() -> None:
    teacher = torch.full((1, 2), 0.5, requires_grad=True)
    assert not ibot_loss(torch.zeros(1, 2), teacher, torch.ones(1, 1, dtype=torch.bool)).requires_grad


def test_refuses_targets_of_other_patches() -> None:
    with pytest.raises(BadLossInput, match=r"\(2, 3\) and \(1, 3\)"):
        ibot_loss(torch.zeros(2, 3), torch.zeros(1, 3), torch.ones(1, 2, dtype=torch.bool))


def test_is_float32_under_autocast() -> None:
    g = seeded(1)
    mask = torch.tensor([[True, False], [True, True]])
    inputs = [normal(g, 3, 4), normal(g, 3, 4).softmax(dim=1)]
    assert_float32_under_autocast(lambda s, t: ibot_loss(s, t, mask), inputs)
