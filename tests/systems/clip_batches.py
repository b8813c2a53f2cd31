"""Small training batches."""

import torch
from torch import nn

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
