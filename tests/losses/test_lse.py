"""Agreement of regions and distillation of parts against their formulas, region by region."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.losses.errors import BadLossInput
from model.losses.lse import part_distillation, region_agreement
from tests.losses.literal import (
    assert_float32_under_autocast,
    assert_same,
    gradient,
    literal_entropy,
    normal,
    seeded,
    whole,
)


def literal_agreement(
    student: Tensor, teacher: Tensor, student_visible: Tensor, teacher_visible: Tensor, temperature: float, same: bool
) -> Tensor:
    terms = []
    for s in range(len(student)):
        for v in range(len(teacher)):
            for r in range(student.shape[1]):
                if (same or s != v) and student_visible[s, r] and teacher_visible[v, r]:
                    terms.append(literal_entropy(teacher[v, r], student[s, r], temperature))
    return sum(terms, start=student.new_zeros(())) / max(len(terms), 1)


def literal_parts(parts: Tensor, regions: Tensor, assignment: Tensor) -> Tensor:
    terms = []
    for f in range(len(parts)):
        for k in range(parts.shape[1]):
            if assignment[f, k] >= 0:
                a, b = parts[f, k], regions[f, int(assignment[f, k])]
                terms.append(1 - (a * b).sum() / torch.sqrt((a * a).sum()) / torch.sqrt((b * b).sum()))
    return sum(terms, start=parts.new_zeros(())) / max(len(terms), 1)


@given(
    seed=st.integers(0, 2**16),
    sightings=st.integers(1, 4),
    seen=st.integers(1, 3),
    regions=st.integers(1, 4),
    share=st.floats(0, 1),
    same=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_agreement_equals_its_formula(
    seed: int, sightings: int, seen: int, regions: int, share: float, same: bool
) -> None:
    g = seeded(seed)
    teacher = normal(g, seen, regions, 3).softmax(dim=-1)
    visible = torch.rand(sightings, regions, generator=g) < share, torch.rand(seen, regions, generator=g) < share
    assert_same(
        lambda x: region_agreement(x, teacher, *visible, student_temperature=0.3, same_sighting=same),
        lambda x: literal_agreement(x, teacher, *visible, 0.3, same),
        [normal(g, sightings, regions, 3)],
    )


def test_regions_out_of_sight_have_no_effect_whatever_they_hold() -> None:
    g = seeded(3)
    student, teacher = normal(g, 2, 2, 3), normal(g, 2, 2, 3).softmax(dim=-1)
    visible = torch.tensor([[True, True], [True, False]])
    clean = region_agreement(student, teacher, visible, visible)
    student[1, 1], teacher[1, 1] = torch.nan, torch.nan
    student.requires_grad_()
    loss = region_agreement(student, teacher, visible, visible)
    assert loss.item() == clean.item()
    slope = gradient(loss, student)
    assert bool(slope.isfinite().all()) and not slope[:, 1].any() and slope[:, 0].any()


def test_agreement_is_exactly_nothing_where_no_region_is_seen_twice() -> None:
    student = torch.randn(2, 2, 3, requires_grad=True)
    visible = torch.tensor([[True, False], [False, True]])
    loss = region_agreement(student, torch.full((2, 2, 3), 1 / 3), visible, visible)
    assert loss.item() == 0
    assert not gradient(loss, student).any()


def test_agreement_refuses_shapes_that_do_not_fit() -> None:
    student, visible = torch.zeros(2, 3, 4), torch.ones(2, 3, dtype=torch.bool)
    with pytest.raises(BadLossInput, match="same regions"):
        region_agreement(student, student[:, :2], visible, visible[:, :2])
    with pytest.raises(BadLossInput, match="one flag"):
        region_agreement(student, student, visible[0], visible)


@given(seed=st.integers(0, 2**16), frames=st.integers(1, 3), parts=st.integers(1, 4), regions=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_parts_equal_their_formula(seed: int, frames: int, parts: int, regions: int) -> None:
    g = seeded(seed)
    areas, assignment = normal(g, frames, regions, 3), whole(g, regions + 1, frames, parts) - 1
    assert_same(
        lambda x: part_distillation(x, areas, assignment),
        lambda x: literal_parts(x, areas, assignment),
        [normal(g, frames, parts, 3)],
    )


def test_parts_follow_regions_and_not_the_other_way_round() -> None:
    regions = torch.randn(1, 2, 3, requires_grad=True)
    assert not part_distillation(torch.randn(1, 2, 3), regions, torch.tensor([[1, 0]])).requires_grad
    swapped = regions.detach()[:, [1, 0]]
    assert part_distillation(5 * swapped, regions, torch.tensor([[1, 0]])).item() == pytest.approx(0, abs=1e-6)


def test_parts_without_a_region_have_no_effect() -> None:
    parts = torch.randn(1, 2, 3, requires_grad=True)
    loss = part_distillation(parts, torch.randn(1, 4, 3), torch.full((1, 2), -1))
    assert loss.item() == 0
    assert not gradient(loss, parts).any()


def test_is_float32_under_autocast() -> None:
    g = seeded(1)
    visible = torch.tensor([[True, True], [True, False]])
    inputs = [normal(g, 2, 2, 3), normal(g, 2, 2, 3).softmax(dim=-1)]
    assert_float32_under_autocast(lambda s, t: region_agreement(s, t, visible, visible), inputs)
    assignment = torch.tensor([[0, 1], [1, -1]])
    assert_float32_under_autocast(lambda p, r: part_distillation(p, r, assignment), inputs)
