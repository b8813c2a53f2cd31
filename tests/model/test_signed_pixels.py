"""Pictures between trunks and networks that draw: no colour is lost on the way."""

import torch
from torch import Tensor

from model.layers.signed_pixels import as_pixels, normalised, signed
from tests.losses.literal import seeded


def frames() -> Tensor:
    """Normalised noise, (4, 3, 64, 32)."""
    return normalised(2 * torch.rand(4, 3, 64, 32, generator=seeded(4)) - 1, (64, 32))


def test_colours_survive_the_way_to_stcnet_and_back() -> None:
    there = signed(frames(), (64, 32))
    assert there.min() >= -1.00001 and there.max() <= 1.00001 and there.max() - there.min() > 1.9
    torch.testing.assert_close(normalised(there, (64, 32)), frames())
    grey = torch.zeros(1, 3, 8, 4)
    assert signed(normalised(grey, (16, 8)), (8, 4)).abs().max() < 1e-6


def test_pixels_come_back_as_they_were_and_are_cut_off_at_black_and_white() -> None:
    pixels = torch.randint(0, 256, (2, 8, 4, 3), generator=seeded(5)).byte()
    there = normalised(pixels.permute(0, 3, 1, 2) / 127.5 - 1, (8, 4))
    assert torch.equal(as_pixels(there), pixels)
    assert as_pixels(there + 99).min() == 255 and as_pixels(there - 99).max() == 0
