"""Targets of the teacher against their definitions, and over two processes against one."""

import multiprocessing
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.losses.targets import Centre, sinkhorn_knopp
from tests.losses.literal import normal, seeded

TEMPERATURE = 0.05


def literal_sinkhorn(logits: Tensor, temperature: float, iterations: int) -> Tensor:
    """As SwAV writes it: a K x B matrix scaled in turn to rows of 1/K and columns of 1/B, columns last."""
    prototypes, rows = logits.shape[1], logits.shape[0]
    q = torch.exp(logits / temperature).T.clone()
    for _ in range(iterations):
        for k in range(prototypes):
            q[k] = q[k] / q[k].sum() / prototypes
        for b in range(rows):
            q[:, b] = q[:, b] / q[:, b].sum() / rows
    return (q * rows).T


@given(seed=st.integers(0, 2**16), rows=st.integers(1, 6), iterations=st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_sinkhorn_equals_its_definition(seed: int, rows: int, iterations: int) -> None:
    logits = normal(seeded(seed), rows, 4)
    got = sinkhorn_knopp(logits, 0.5, iterations)
    torch.testing.assert_close(got, literal_sinkhorn(logits, 0.5, iterations), rtol=1e-9, atol=1e-12)


def test_sinkhorn_means_all_prototypes_equally_often() -> None:
    # Views along the first axis are rows like others.
    targets = sinkhorn_knopp(normal(seeded(0), 2, 8, 4), 0.5, iterations=200)
    torch.testing.assert_close(targets.sum(dim=(0, 1)), torch.full((4,), 4.0, dtype=torch.float64))
    torch.testing.assert_close(targets.sum(dim=2), torch.ones(2, 8, dtype=torch.float64))


def test_sinkhorn_stays_finite_at_any_temperature() -> None:
    # One prototype is far from all: exp(-2 / 0.001) is 0 in float32, and 0 / 0 would follow.
    logits = torch.tensor([[1.0, 0.5, -1], [0.9, 0.6, -1]])
    targets = sinkhorn_knopp(logits, 0.001)
    assert bool(targets.isfinite().all())
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(2))


@given(seed=st.integers(0, 2**16), steps=st.integers(1, 4), momentum=st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_centre_follows_its_definition(seed: int, steps: int, momentum: float) -> None:
    g = seeded(seed)
    centre = Centre(4, momentum).double()
    want = torch.zeros(4, dtype=torch.float64)
    for _ in range(steps):
        views = [normal(g, 3, 4), normal(g, 3, 4)]
        logits = torch.stack(views)
        for view, targets in zip(views, centre(logits, TEMPERATURE), strict=True):
            for row, target in zip(view, targets, strict=True):
                e = torch.exp((row - want) / TEMPERATURE - ((row - want) / TEMPERATURE).max())
                torch.testing.assert_close(target, e / e.sum())
        centre.update(logits)
        mean = sum((row for view in views for row in view), start=torch.zeros(4, dtype=torch.float64)) / 6
        want = momentum * want + (1 - momentum) * mean
        torch.testing.assert_close(centre.value, want)


def test_centre_is_saved_and_restored() -> None:
    centre, again = Centre(4), Centre(4)
    centre.update(torch.randn(5, 4))
    again.load_state_dict(centre.state_dict())
    assert torch.equal(again.value, centre.value) and centre.value.any()


def test_centre_stays_without_rows() -> None:
    centre = Centre(4)
    centre.update(torch.ones(3, 4))
    before = centre.value.clone()
    centre.update(torch.zeros(0, 4))
    assert torch.equal(centre.value, before)
    assert (
        centre(torch.zeros(0, 4), TEMPERATURE).shape == sinkhorn_knopp(torch.zeros(0, 4), TEMPERATURE).shape == (0, 4)
    )


@pytest.mark.parametrize("make", [Centre(4), sinkhorn_knopp])
def test_targets_are_float32_constants(make: Any) -> None:
    logits = torch.randn(3, 4, dtype=torch.bfloat16, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        targets = make(logits, TEMPERATURE)
    assert targets.dtype == torch.float32 and not targets.requires_grad
    assert torch.equal(targets, make(logits.float(), TEMPERATURE))


def all_rows() -> Tensor:
    return normal(seeded(2), 5, 4).float()


def one_of_two(rank: int, folder: str) -> None:
    """A process with its share of the rows; the shares differ in size."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    share = all_rows()[:4] if rank == 0 else all_rows()[4:]
    centre = Centre(4)
    centre.update(share)
    torch.save((centre.value, sinkhorn_knopp(share, 0.5)), f"{folder}/{rank}")
    dist.destroy_process_group()


def test_processes_agree_with_one_that_has_all_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=one_of_two, args=(rank, str(tmp_path))) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    centres, targets = zip(*(torch.load(tmp_path / str(rank)) for rank in range(2)), strict=True)
    alone = Centre(4)
    alone.update(all_rows())
    torch.testing.assert_close(centres[0], alone.value)
    assert torch.equal(centres[0], centres[1])
    torch.testing.assert_close(torch.cat(targets), sinkhorn_knopp(all_rows(), 0.5))
