"""A VILLS network of a few thousand numbers, for tests: same parts, non-square crops, an adapter in every block."""

import numpy as np
import torch

from model.encoder import Clips
from model.vills.config import VillsConfig
from model.vills.network import Vills

SMALL = VillsConfig(
    "vills-test",
    channels=24,
    heads=2,
    dimension=20,
    depth=3,
    patch=8,
    parts=3,
    height=32,
    width=16,
    frames=4,
    adapter_channels=10,
    adapter_every=1,
    drop_path=0.0,
)


def small_network(seed: int = 0, config: VillsConfig = SMALL) -> Vills:
    """In inference mode, with every parameter and statistic drawn at random: nothing is zero, nothing is one."""
    network = Vills(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.3, generator=generator)
        network.neck.norm.running_mean.normal_(std=0.1, generator=generator)  # type: ignore[union-attr]
        network.neck.norm.running_var.uniform_(0.5, 2.0, generator=generator)  # type: ignore[union-attr]
    return network.eval()


def random_clips(batch: int, frames: int, seed: int = 0, config: VillsConfig = SMALL) -> Clips:
    """uint8 (B, T, H, W, 3)."""
    shape = (batch, frames, config.height, config.width, 3)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def as_tensor(clips: Clips) -> torch.Tensor:
    """(B, T, H, W, 3) to the network's (B, T, 3, H, W)."""
    return torch.from_numpy(clips).permute(0, 1, 4, 2, 3)
