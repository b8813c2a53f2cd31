"""Small training batches, and what every system's parameters have to show."""

from collections.abc import Collection

import torch
from torch import Tensor, nn

from model.systems.system import Batch


def random_batch(persons: int, tracks: int, frames: int, size: tuple[int, int], seed: int = 0) -> Batch:
    """Persons one after the other, each clip a track of its own, of noise."""
    generator = torch.Generator().manual_seed(seed)
    number = torch.arange(persons * tracks)
    clips = torch.randn(len(number), frames, 3, *size, generator=generator)
    return Batch(clips, person=number // tracks, track=number, camera=number % tracks)


def enliven(network: nn.Module, seed: int = 0) -> None:
    """Scales of normalisations that are not 0: residual branches begin with 0, and nothing below has a gradient."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)


def assert_every_gradient(module: nn.Module, loss: Tensor, vanishing: Collection[str] = ()) -> None:
    """Each parameter gets a finite gradient, not all 0 but for those whose names end as `vanishing` says."""
    module.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.isfinite().all()), name
        assert parameter.grad.any() or name.endswith(tuple(vanishing)), name
