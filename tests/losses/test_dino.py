"""Self-distillation against its formula, view by view and row by row."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.losses.dino import dino_loss
from model.losses.errors import BadLossInput
from tests.losses.literal import assert_float32_under_autocast, assert_same, literal_entropy, normal, seeded


def literal(student: list[Tensor], teacher: list[Tensor], temperature: float) -> Tensor:
    total, pairs = student[0].new_zeros(()), 0
    for v in range(len(teacher)):
        for s in range(len(student)):
            if v == s:
                continue
            pairs += 1
            for row in range(len(student[s])):
                total = total + literal_entropy(teacher[v][row], student[s][row], temperature) / len(student[s])
    return total / pairs


@given(
    seed=st.integers(0, 2**16),
    views=st.integers(2, 5),
    seen=st.integers(1, 3),
    rows=st.integers(1, 4),
    temperature=st.floats(0.05, 1),
)
@settings(max_examples=40, deadline=None)
def test_equals_its_formula(seed: int, views: int, seen: int, rows: int, temperature: float) -> None:
    g = seeded(seed)
    teacher = [normal(g, rows, 4).softmax(dim=1) for _ in range(seen)]
    assert_same(
        lambda *student: dino_loss(student, teacher, student_temperature=temperature),
        lambda *student: literal(list(student), teacher, temperature),
        [normal(g, rows, 4) for _ in range(views)],
    )


def test_the_teacher_is_a_constant() -> None:
    targets = torch.full((2, 3), 1 / 3, requires_grad=True)
    assert not dino_loss([torch.randn(2, 3)] * 2, [targets]).requires_grad


def test_refuses_a_single_view() -> None:
    view = torch.full((2, 3), 1 / 3)
    with pytest.raises(BadLossInput, match="two different views: 1 of the student, 1 of the teacher"):
        dino_loss([view], [view])


def test_is_float32_under_autocast() -> None:
    g = seeded(1)
    assert_float32_under_autocast(
        lambda a, b, teacher: dino_loss([a, b], [teacher]),
        [normal(g, 4, 3), normal(g, 4, 3), normal(g, 4, 3).softmax(1)],
    )
