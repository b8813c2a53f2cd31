"""Online instance matching against its formulas, row by row."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.losses.oim import oim_loss, oim_table
from tests.losses.literal import assert_float32_under_autocast, assert_same, gradient, normal, seeded, whole

D = 3


def table_of(generator: torch.Generator, persons: int) -> Tensor:
    """Unit vectors, the last person not yet seen."""
    table = torch.nn.functional.normalize(normal(generator, persons, D), dim=1)
    table[-1] = 0
    return table


def unit(row: Tensor) -> Tensor:
    return row / torch.sqrt(sum((number * number for number in row), start=row.new_zeros(())))


def literal(features: Tensor, person: Tensor, table: Tensor, scale: float) -> Tensor:
    total = features.new_zeros(())
    for row, y in zip(features, person.tolist(), strict=True):
        powers = []
        for v in table:
            cosine = sum((a * b for a, b in zip(unit(row), v, strict=True)), start=row.new_zeros(()))
            powers.append(torch.exp(scale * cosine))
        total = total - torch.log(powers[y] / sum(powers))
    return total / len(features)


def literal_table(table: Tensor, features: Tensor, person: list[int], momentum: float) -> list[list[float]]:
    rows: list[list[float]] = table.tolist()
    for feature, y in zip(features, person, strict=True):
        x = unit(feature).tolist()
        mixed = [momentum * old + (1 - momentum) * new for old, new in zip(rows[y], x, strict=True)]
        length = math.sqrt(sum(number * number for number in mixed))
        rows[y] = [number / length for number in mixed]
    return rows


@given(
    seed=st.integers(0, 2**16), rows=st.integers(1, 5), persons=st.integers(2, 4), scale=st.sampled_from([1.0, 30.0])
)
@settings(max_examples=30, deadline=None)
def test_equals_its_formula(seed: int, rows: int, persons: int, scale: float) -> None:
    g = seeded(seed)
    table, person = table_of(g, persons), whole(g, persons, rows)
    assert_same(
        lambda x: oim_loss(x, person, table, scale=scale),
        lambda x: literal(x, person, table, scale),
        [normal(g, rows, D)],
    )


@given(seed=st.integers(0, 2**16), rows=st.integers(1, 8), momentum=st.sampled_from([0.0, 0.5, 0.9]))
@settings(max_examples=30, deadline=None)
def test_the_table_equals_its_formula_also_if_a_person_comes_twice(seed: int, rows: int, momentum: float) -> None:
    g = seeded(seed)
    table, features, person = table_of(g, 4), normal(g, rows, D), whole(g, 4, rows)
    before = table.clone()
    got = oim_table(table, features, person, momentum=momentum)
    want = torch.tensor(literal_table(table, features, person.tolist(), momentum), dtype=torch.float64)
    torch.testing.assert_close(got, want)
    assert torch.equal(table, before)
    lengths = got[person].norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))


def test_only_the_persons_of_the_batch_change() -> None:
    g = seeded(0)
    table = table_of(g, 4)
    after = oim_table(table, normal(g, 2, D), torch.tensor([1, 1]), momentum=0.5)
    assert (after != table).any(dim=1).tolist() == [False, True, False, False]


def test_a_person_not_seen_before_gets_the_row_itself() -> None:
    row = torch.tensor([[3.0, 0.0, 4.0]])
    after = oim_table(torch.zeros(1, D), row, torch.tensor([0]), momentum=0.5)
    torch.testing.assert_close(after, row / 5)


def test_table_and_length_of_a_row_are_not_learned() -> None:
    g = seeded(1)
    table, features = table_of(g, 3).requires_grad_(), normal(g, 2, D).requires_grad_()
    person = torch.tensor([0, 1])
    assert not oim_table(table, features, person, momentum=0.5).requires_grad
    slope = gradient(oim_loss(features, person, table, scale=30), features)
    torch.testing.assert_close((slope * features).sum(dim=1), torch.zeros(2, dtype=torch.float64), atol=1e-9, rtol=0)


def test_is_float32_under_autocast() -> None:
    g = seeded(2)
    table = table_of(g, 3).float()
    person = torch.tensor([0, 1, 2])
    assert_float32_under_autocast(lambda x: oim_loss(x, person, table, scale=30), [normal(g, 3, D)])
