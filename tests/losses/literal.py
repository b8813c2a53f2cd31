"""What the tests of the losses share: equal in value and in gradient, and numbers drawn from a seed."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def assert_same(got: Callable[..., Tensor], want: Callable[..., Tensor], inputs: Sequence[Tensor]) -> None:
    """Both functions of the same float64 inputs give the same scalar and the same gradient to every input."""
    values, gradients = zip(*(_run(function, inputs) for function in (got, want)), strict=True)
    assert values[0].ndim == 0
    torch.testing.assert_close(values[0], values[1], rtol=1e-9, atol=1e-10)
    for mine, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-8, atol=1e-10)


def _run(function: Callable[..., Tensor], inputs: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    leaves = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    value = function(*leaves)
    found = torch.autograd.grad(value, leaves, allow_unused=True) if value.requires_grad else [None] * len(leaves)
    none = [torch.zeros_like(leaf) for leaf in leaves]
    return value.detach(), [zero if one is None else one for one, zero in zip(found, none, strict=True)]


def gradient(loss: Tensor, leaf: Tensor) -> Tensor:
    """Of the loss in one leaf; fails where the loss hangs on no graph."""
    (found,) = torch.autograd.grad(loss, leaf)
    return found


def normal(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def whole(generator: torch.Generator, below: int, *shape: int) -> Tensor:
    return torch.randint(0, below, shape, generator=generator)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def assert_float32_under_autocast(loss: Callable[..., Tensor], inputs: Sequence[Tensor]) -> None:
    """The same number inside autocast as outside, float32, with a finite gradient in the inputs' own precision."""
    low = [tensor.to(torch.bfloat16).requires_grad_() for tensor in inputs]
    outside = loss(*[tensor.detach().float() for tensor in low])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(*low)
    assert inside.dtype == torch.float32
    assert torch.equal(inside.detach(), outside)
    for gradient in torch.autograd.grad(inside, low, allow_unused=True):
        assert gradient is None or (gradient.dtype == torch.bfloat16 and bool(gradient.isfinite().all()))


def literal_entropy(targets: Tensor, logits: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of one row: of probabilities (K,) and the softmax of logits (K,) at a temperature."""
    scaled = logits / temperature
    shifted = torch.exp(scaled - scaled.detach().max())
    total = logits.new_zeros(())
    for k in range(len(targets)):
        total = total - targets[k] * torch.log(shifted[k] / shifted.sum())
    return total
