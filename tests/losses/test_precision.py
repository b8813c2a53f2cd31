"""What the losses compute in, and what pairs of rows they compare."""

import torch
from torch import Tensor

from model.losses.pairs import nothing, same_track
from model.losses.precision import in_float32
from tests.losses.literal import gradient


def test_half_precision_becomes_float32_wherever_it_stands_and_nothing_else_changes() -> None:
    seen: list[torch.dtype] = []

    @in_float32
    def product(views: list[Tensor], other: Tensor, *, label: Tensor) -> Tensor:
        seen.extend([views[0].dtype, views[1].dtype, other.dtype, label.dtype])
        return views[0] @ other

    half, double = torch.ones(2, 2, dtype=torch.float16), torch.ones(2, 2, dtype=torch.float64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = product([half, double], torch.ones(2, 2, dtype=torch.bfloat16), label=torch.tensor([1]))
    assert seen == [torch.float32, torch.float64, torch.float32, torch.int64]
    assert result.dtype == torch.float32


def test_a_track_that_is_not_known_is_the_same_as_no_other() -> None:
    track = torch.tensor([3, -1, -1, 3, 4])
    assert same_track(track, track).nonzero().tolist() == [[0, 0], [0, 3], [3, 0], [3, 3], [4, 4]]


def test_nothing_is_nothing_whatever_a_tensor_holds() -> None:
    rows = torch.tensor([[torch.nan, torch.inf]], requires_grad=True)
    assert nothing(rows).item() == 0
    assert gradient(nothing(rows), rows).tolist() == [[0, 0]]
