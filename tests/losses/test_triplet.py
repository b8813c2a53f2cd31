"""Batch-hard triplets against their definition, anchor by anchor."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.losses.errors import BadLossInput
from model.losses.triplet import batch_hard, four_pairings
from tests.losses.literal import assert_float32_under_autocast, assert_same, gradient, normal, seeded, whole

Labels = dict[str, Tensor]


def literal(
    anchors: Tensor, candidates: Tensor, ours: Labels, theirs: Labels, margin: float | None, exclude_self: bool
) -> Tensor:
    losses = []
    for a in range(len(anchors)):
        same: list[Tensor] = []  # distances to rows of the person
        elsewhere: list[Tensor] = []  # those of another track
        other: list[Tensor] = []
        for n in range(len(candidates)):
            if ours["domain"][a] != theirs["domain"][n]:
                continue
            difference = anchors[a] - candidates[n]
            distance = torch.sqrt((difference * difference).sum()) if difference.any() else difference.sum()
            if ours["person"][a] != theirs["person"][n]:
                other.append(distance)
            elif not (exclude_self and a == n):
                same.append(distance)
                if ours["track"][a] < 0 or ours["track"][a] != theirs["track"][n]:
                    elsewhere.append(distance)
        if not same or not other:
            continue
        excess = max(elsewhere or same, key=Tensor.item) - min(other, key=Tensor.item)
        if margin is None:
            losses.append(torch.log(1 + torch.exp(excess)))
        else:
            losses.append(torch.clamp(margin + excess, min=0))
    return sum(losses, start=anchors.new_zeros(())) / max(len(losses), 1)


def labels(g: torch.Generator, rows: int, persons: int) -> Labels:
    """Persons who keep to one data set, each in up to three tracks, some of them not known."""
    person = whole(g, persons, rows)
    turn = whole(g, 3, rows)
    return {"person": person, "track": torch.where(turn == 2, -1, 10 * person + turn), "domain": person % 2}


def named(ours: Labels, theirs: Labels) -> dict[str, Any]:
    return {
        "anchor_track": ours["track"],
        "candidate_track": theirs["track"],
        "anchor_domain": ours["domain"],
        "candidate_domain": theirs["domain"],
    }


SIZES = st.integers(1, 8)
MARGINS = st.sampled_from([None, 0.0, 0.3, 5.0])


@given(seed=st.integers(0, 2**16), rows=SIZES, others=SIZES, persons=st.integers(1, 4), margin=MARGINS)
@settings(max_examples=60, deadline=None)
def test_equals_its_definition_between_two_sets(
    seed: int, rows: int, others: int, persons: int, margin: float | None
) -> None:
    g = seeded(seed)
    ours, theirs = labels(g, rows, persons), labels(g, others, persons)
    assert_same(
        lambda a, c: batch_hard(a, c, ours["person"], theirs["person"], margin=margin, **named(ours, theirs)),
        lambda a, c: literal(a, c, ours, theirs, margin, False),
        [normal(g, rows, 3), normal(g, others, 3)],
    )


@given(seed=st.integers(0, 2**16), rows=SIZES, persons=st.integers(1, 4), margin=MARGINS, exclude=st.booleans())
@settings(max_examples=60, deadline=None)
def test_equals_its_definition_within_one_set(
    seed: int, rows: int, persons: int, margin: float | None, exclude: bool
) -> None:
    g = seeded(seed)
    own = labels(g, rows, persons)
    assert_same(
        lambda a: batch_hard(
            a, a, own["person"], own["person"], margin=margin, exclude_self=exclude, **named(own, own)
        ),
        lambda a: literal(a, a, own, own, margin, exclude),
        [normal(g, rows, 3)],
    )


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_four_pairings_are_four_times_batch_hard(reduction: Any) -> None:
    g = seeded(3)
    kinds = [labels(g, 7, 3), labels(g, 5, 3)]

    def want(image: Tensor, video: Tensor) -> Tensor:
        total = image.new_zeros(())
        for i, anchors in enumerate((image, video)):
            for j, candidates in enumerate((image, video)):
                total = total + literal(anchors, candidates, kinds[i], kinds[j], 0.3, i == j)
        return total / 4 if reduction == "mean" else total

    def got(image: Tensor, video: Tensor) -> Tensor:
        return four_pairings(
            image,
            video,
            kinds[0]["person"],
            kinds[1]["person"],
            margin=0.3,
            image_track=kinds[0]["track"],
            video_track=kinds[1]["track"],
            image_domain=kinds[0]["domain"],
            video_domain=kinds[1]["domain"],
            reduction=reduction,
        )

    assert_same(got, want, [normal(g, 7, 3), normal(g, 5, 3)])


def test_takes_the_positive_of_another_track_though_the_own_is_farther() -> None:
    anchor, person = torch.tensor([[0.0]]), torch.tensor([1])
    candidates = torch.tensor([[9.0], [2.0], [4.0]])
    loss = batch_hard(
        anchor,
        candidates,
        person,
        torch.tensor([1, 1, 2]),
        margin=3.0,
        anchor_track=torch.tensor([5]),
        candidate_track=torch.tensor([5, 6, 7]),
    )
    assert loss.item() == 3 + 2 - 4
    # Without another track the own one serves.
    alone = batch_hard(
        anchor,
        candidates[[0, 2]],
        person,
        torch.tensor([1, 2]),
        margin=3.0,
        anchor_track=torch.tensor([5]),
        candidate_track=torch.tensor([5, 7]),
    )
    assert alone.item() == 3 + 9 - 4


@pytest.mark.parametrize("persons", [[1, 1, 1], [1, 2, 3], [1]])
@pytest.mark.parametrize("margin", [None, 0.3])
def test_is_exactly_nothing_without_triplets(persons: list[int], margin: float | None) -> None:
    rows = torch.randn(len(persons), 4, requires_grad=True)
    person = torch.tensor(persons)
    loss = batch_hard(rows, rows, person, person, margin=margin, exclude_self=True)
    assert loss.item() == 0
    assert not gradient(loss, rows).any()


def test_takes_a_batch_of_one_kind_alone() -> None:
    image, video = normal(seeded(4), 4, 3).requires_grad_(), torch.zeros(0, 3, dtype=torch.float64)
    person = torch.tensor([0, 0, 1, 1])
    loss = four_pairings(image, video, person, person[:0], margin=None, reduction="sum")
    assert loss.item() == batch_hard(image, image, person, person, margin=None, exclude_self=True).item() > 0
    assert gradient(loss, image).any()


def test_has_a_finite_gradient_where_rows_coincide() -> None:
    rows = torch.ones(4, 3, requires_grad=True)
    person = torch.tensor([0, 0, 1, 1])
    loss = batch_hard(rows, rows, person, person, margin=None, exclude_self=True)
    assert loss.item() == pytest.approx(math.log(2))
    assert not gradient(loss, rows).any()


def test_refuses_half_of_the_labels() -> None:
    rows, person = torch.zeros(2, 3), torch.tensor([0, 1])
    with pytest.raises(BadLossInput, match="track"):
        batch_hard(rows, rows, person, person, margin=None, anchor_track=person)
    with pytest.raises(BadLossInput, match="domain"):
        batch_hard(rows, rows, person, person, margin=None, candidate_domain=person)
    with pytest.raises(BadLossInput, match="2 and 1 rows"):
        batch_hard(rows, rows[:1], person, person[:1], margin=None, exclude_self=True)


def test_is_float32_under_autocast() -> None:
    g = seeded(1)
    person = torch.tensor([0, 0, 1, 1])
    assert_float32_under_autocast(
        lambda image, video: four_pairings(image, video, person, person, margin=None),
        [normal(g, 4, 3), normal(g, 4, 3)],
    )
