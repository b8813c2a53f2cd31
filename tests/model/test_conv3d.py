"""Convolutions over time and space under autocast: float32 inside, and gradients that are finite every time."""

import torch

from model.layers.conv3d import Conv3d


def test_it_computes_in_float32_and_gives_what_came_in() -> None:
    conv, x = Conv3d(3, 4, 3, padding=1), torch.randn(2, 3, 2, 4, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = conv(x.bfloat16())
        assert half.dtype == torch.bfloat16 and conv(x).dtype == torch.float32
        found = conv(x)
    torch.testing.assert_close(found, torch.nn.functional.conv3d(x, conv.weight, conv.bias, padding=1))


def test_gradients_over_maps_of_a_few_pixels_are_finite() -> None:
    """In bfloat16 some of them held what was in memory before."""
    for trial in range(40):
        torch.manual_seed(trial)
        conv, x = Conv3d(16, 16, 3, padding=1, bias=False), torch.randn(4, 16, 2, 2, 1)
        spoilt = [torch.full((2**size,), float("nan")) for size in range(8, 20)]
        del spoilt
        with torch.autocast("cpu", dtype=torch.bfloat16):
            conv(x).square().mean().backward()
        assert conv.weight.grad is not None and bool(conv.weight.grad.isfinite().all())
