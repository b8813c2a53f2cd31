"""Relational distillation against its formulas, pair by pair."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.losses.relational import cosine_difference, neighbour_divergence
from tests.losses.literal import assert_float32_under_autocast, assert_same, gradient, normal, seeded

LOSSES = [neighbour_divergence, cosine_difference]


def cosine(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum() / torch.sqrt((a * a).sum()) / torch.sqrt((b * b).sum())


def literal_divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    total = student.new_zeros(())
    for i in range(len(student)):
        rest = [j for j in range(len(student)) if j != i]
        q, p = (
            torch.stack([torch.exp(cosine(rows[i], rows[j]) / temperature) for j in rest])
            for rows in (student, teacher)
        )
        q, p = q / q.sum(), p / p.sum()
        for j in range(len(rest)):
            total = total + p[j] * torch.log(p[j] / q[j])
    return total / len(student)


def literal_difference(student: Tensor, teacher: Tensor) -> Tensor:
    total = student.new_zeros(())
    for i in range(len(student)):
        for j in range(len(student)):
            if i != j:
                total = total + (cosine(student[i], student[j]) - cosine(teacher[i], teacher[j])) ** 2
    return total / (len(student) * (len(student) - 1))


@given(seed=st.integers(0, 2**16), rows=st.integers(2, 6), temperature=st.floats(0.05, 2))
@settings(max_examples=40, deadline=None)
def test_divergence_equals_its_formula(seed: int, rows: int, temperature: float) -> None:
    g = seeded(seed)
    teacher = normal(g, rows, 5)
    assert_same(
        lambda x: neighbour_divergence(x, teacher, temperature=temperature),
        lambda x: literal_divergence(x, teacher, temperature),
        [normal(g, rows, 3)],
    )


@given(seed=st.integers(0, 2**16), rows=st.integers(2, 6))
@settings(max_examples=40, deadline=None)
def test_difference_equals_its_formula(seed: int, rows: int) -> None:
    g = seeded(seed)
    teacher = normal(g, rows, 5)
    assert_same(lambda x: cosine_difference(x, teacher), lambda x: literal_difference(x, teacher), [normal(g, rows, 3)])


@pytest.mark.parametrize("loss", LOSSES)
def test_is_nothing_for_a_turned_and_scaled_copy(loss: Callable[..., Tensor]) -> None:
    g = seeded(2)
    teacher = normal(g, 5, 4)
    turn, _ = torch.linalg.qr(normal(g, 4, 4))
    assert loss(3 * teacher @ turn, teacher).item() == pytest.approx(0, abs=1e-12)
    assert loss(normal(g, 5, 4), teacher).item() > 0.01


@pytest.mark.parametrize("loss", LOSSES)
def test_the_teacher_is_a_constant(loss: Callable[..., Tensor]) -> None:
    g = seeded(2)
    teacher = normal(g, 5, 4).requires_grad_()
    assert not loss(normal(g, 5, 4), teacher).requires_grad


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("rows", [0, 1])
def test_is_exactly_nothing_without_a_pair(loss: Callable[..., Tensor], rows: int) -> None:
    student = torch.randn(rows, 3, requires_grad=True)
    value = loss(student, torch.randn(rows, 4))
    assert value.item() == 0
    assert not gradient(value, student).any()


@pytest.mark.parametrize("loss", LOSSES)
def test_is_finite_for_a_row_of_zeros(loss: Callable[..., Tensor]) -> None:
    student = torch.zeros(3, 2, requires_grad=True)
    assert bool(gradient(loss(student, torch.randn(3, 2)), student).isfinite().all())


@pytest.mark.parametrize("loss", LOSSES)
def test_is_float32_under_autocast(loss: Callable[..., Tensor]) -> None:
    g = seeded(1)
    assert_float32_under_autocast(loss, [normal(g, 4, 3), normal(g, 4, 5)])
