"""Does every parameter learn, and are a fresh network's numbers of any size?"""

from collections.abc import Collection, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from model.systems.system import System

S = TypeVar("S", bound=System)


def wake(module: nn.Module) -> None:
    """Draw the weights that begin at 0, as those do that close a branch: before them nothing has a gradient."""
    with torch.no_grad():
        for norm in module.modules():
            if isinstance(norm, nn.BatchNorm2d) and not norm.weight.any():
                norm.weight.fill_(0.5)
        for parameter in module.parameters():
            if not parameter.any():
                parameter.normal_(std=0.1)


def without_gradient(*modules: nn.Module, vanishing: Collection[str] = ()) -> list[str]:
    """Names of parameters that should learn and have no gradient, or one of exactly 0 unless they end like these."""
    return [
        name
        for module in modules
        for name, parameter in module.named_parameters()
        if parameter.requires_grad
        and (parameter.grad is None or not (parameter.grad.any() or name.endswith(tuple(vanishing))))
    ]


def assert_every_gradient(terms: Mapping[str, Tensor], *modules: nn.Module, vanishing: Collection[str] = ()) -> None:
    """The sum of the losses gives every parameter a gradient that is finite, and not all 0.

    vanishing: ends of names of those whose gradient may be 0.
    """
    torch.autograd.backward(torch.stack([*terms.values()]).sum())
    assert without_gradient(*modules, vanishing=vanishing) == []
    for parameter in [each for module in modules for each in module.parameters() if each.grad is not None]:
        assert parameter.grad is not None and bool(parameter.grad.isfinite().all())


def settle(net: S, clips: Tensor) -> S:
    """Evaluation mode with norms that fit these clips: in a fresh deep network differences fade to nothing else."""
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d)]
    with torch.no_grad():
        for norm in norms:
            norm.momentum = 1.0
        net.train().features(clips)
        for norm in norms:
            norm.momentum = 0.1
    return net.eval()


def assert_short_clips_begin_again(as_they_are: System, again: System, clips: Tensor) -> None:
    """`again` sees of fewer than four frames what `as_they_are`, of the same weights, sees of them begun again.

    Both are of T = 4. clips: (B, 5, 3, H, W).
    """
    with torch.no_grad():
        for length, places in {1: [0] * 4, 3: [0, 1, 2, 0], 4: [*range(4)], 5: [*range(5)]}.items():
            wanted = as_they_are.features(clips[:, places])
            torch.testing.assert_close(again.features(clips[:, :length]), wanted, rtol=1e-4, atol=1e-4)
            same = torch.allclose(as_they_are.features(clips[:, :length]), wanted, rtol=1e-4, atol=1e-4)
            assert same == (length >= 4)
