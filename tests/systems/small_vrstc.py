"""A VRSTC small enough for tests, and clips for it."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from model.layers.occlusion import BANDS
from model.layers.signed_pixels import normalised
from model.systems.stcnet import STCnetConfig
from model.systems.system import Batch
from model.systems.vrstc import VRSTC, Completer, VRSTCConfig
from tests.losses.literal import seeded

SMALL = VRSTCConfig(trunk="resnet18", height=64, width=32, stcnet=STCnetConfig(size=(32, 16), width=4))
OFF = replace(SMALL, completion="off")


def system(config: VRSTCConfig = SMALL) -> VRSTC:
    torch.manual_seed(0)
    return VRSTC(config).eval()


def clips(batch: int = 2, frames: int = 4, config: VRSTCConfig = SMALL) -> Tensor:
    """Normalised noise."""
    pixels = torch.rand(batch * frames, 3, config.height, config.width, generator=seeded(frames))
    return normalised(2 * pixels - 1, (config.height, config.width)).view(batch, frames, *pixels.shape[1:])


def batch_of(seen: Tensor) -> Batch:
    number = torch.arange(len(seen))
    return Batch(seen, number, number, number)


def completer(net: VRSTC) -> Completer:
    assert net.completer is not None
    return net.completer


def say(monkeypatch: pytest.MonkeyPatch, bands: Tensor) -> None:
    """Have these bands (B, T, K) be the occluded ones."""
    monkeypatch.setattr(Completer, "occluded", lambda _self, _clips: bands)


def nothing_hidden(batch: int = 2, frames: int = 4) -> Tensor:
    return torch.zeros(batch, frames, BANDS, dtype=torch.bool)


def wake(module: nn.Module) -> None:
    """Let branches have a say whose last batch norm is drawn as 0: before it, there is no gradient either."""
    for each in module.modules():
        if isinstance(each, nn.BatchNorm1d | nn.BatchNorm2d) and not each.weight.any():
            nn.init.ones_(each.weight)
