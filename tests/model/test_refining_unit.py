"""STMP's refining unit against its formulas, place by place and channel by channel."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from model.layers.refining_unit import RefiningUnit
from tests.systems.learning import without_gradient

C, N, HEIGHT, WIDTH, HIDDEN = 3, 4, 3, 2, 5


def unit(seed: int) -> RefiningUnit:
    torch.manual_seed(seed)
    return RefiningUnit(C, HEIGHT, WIDTH, gate_channels=N, spatial_hidden=HIDDEN).double()


def used(seed: int) -> RefiningUnit:
    """In evaluation, with a norm that has learned something."""
    net = unit(seed)
    norm = net.difference[1]
    assert isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None and norm.running_var is not None
    with torch.no_grad():
        for tensor in (norm.weight, norm.bias, norm.running_mean):
            tensor.normal_()
        norm.running_var.uniform_(0.001, 2)
    return net.eval()


def clips(seed: int, frames: int, batch: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, frames, C, HEIGHT, WIDTH, generator=generator, dtype=torch.float64)


def literal_difference(unit: RefiningUnit, memory: Tensor, before: Tensor, now: Tensor) -> Tensor:
    """d of one clip: (C, h, w) three times -> (N, h, w)."""
    d = now.new_zeros(N, HEIGHT, WIDTH)
    convolution, norm = unit.difference[0], unit.difference[1]
    assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None and norm.running_var is not None
    for n in range(N):
        slope = norm.weight[n] / (norm.running_var[n] + 0.001).sqrt()
        for y in range(HEIGHT):
            for x in range(WIDTH):
                for c in range(C):
                    d[n, y, x] += convolution.weight[n, c, 0, 0] * (memory[c, y, x] - now[c, y, x])
                    d[n, y, x] += convolution.weight[n, C + c, 0, 0] * (now[c, y, x] - before[c, y, x])
                d[n, y, x] = (slope * (d[n, y, x] - norm.running_mean[n]) + norm.bias[n]).clamp(min=0)
    return d


def literal(unit: RefiningUnit, frames: Tensor) -> list[Tensor]:
    """One clip, (T, C, h, w). The gate over places is a convolution as large as the map, then one of kernel 1."""
    first, second = unit.spatial[0], unit.spatial[2]
    assert isinstance(first, nn.Linear) and isinstance(second, nn.Linear)
    kernels = first.weight.view(HIDDEN, HEIGHT, WIDTH)
    memory = [frames[0]]
    for t in range(1, len(frames)):
        d = literal_difference(unit, memory[-1], frames[t - 1], frames[t])
        mean = d.sum(dim=0) / N  # (h, w)
        hidden = [(kernels[k] * mean).sum().clamp(min=0) for k in range(HIDDEN)]
        refined = torch.zeros_like(frames[0])
        for c in range(C):
            ours = sum(unit.channel.weight[c, n] * d[n].mean() for n in range(N))
            for y in range(HEIGHT):
                for x in range(WIDTH):
                    place = y * WIDTH + x
                    s = (second.weight[place] * torch.stack(hidden)).sum()
                    z = 1 / (1 + torch.exp(-s * ours))
                    refined[c, y, x] = (1 - z) * memory[-1][c, y, x] + z * frames[t, c, y, x]
        memory.append(refined)
    return memory


@given(seed=st.integers(0, 2**16), frames=st.integers(1, 4))
@settings(max_examples=8, deadline=None)
def test_equals_its_formulas(seed: int, frames: int) -> None:
    net, x = used(seed), clips(seed, frames)
    with torch.no_grad():
        want = torch.stack([torch.stack(literal(net, clip)) for clip in x])
        torch.testing.assert_close(net(x), want)


def test_in_training_the_norm_is_over_the_clips_of_one_moment() -> None:
    """So that how large the convolution's weights are makes no difference, but for what keeps from dividing by 0."""
    net, x = unit(5).train(), 100 * clips(5, 3)
    with torch.no_grad():
        before = net(x)
        convolution = net.difference[0]
        assert isinstance(convolution, nn.Conv2d)
        convolution.weight *= 3
        torch.testing.assert_close(net(x), before, rtol=1e-4, atol=1e-4)


def test_a_still_clip_stays_exactly_what_it_is() -> None:
    still = clips(0, 1).expand(-1, 6, -1, -1, -1)
    assert torch.equal(unit(0)(still), still)


def test_the_first_memory_is_the_first_map_and_order_counts() -> None:
    net, x = unit(1), clips(1, 4)
    with torch.no_grad():
        assert torch.equal(net(x)[:, 0], x[:, 0])
        assert not torch.allclose(net(x)[:, -1], net(x.flip(1))[:, -1], atol=1e-3)
        torch.testing.assert_close(net(x[:, :2]), net(x)[:, :2])  # the past does not know the future


def test_memory_lies_between_what_it_was_and_what_it_saw() -> None:
    net, x = unit(2), clips(2, 5)
    memory = net(x)
    low, high = torch.minimum(memory[:, :-1], x[:, 1:]), torch.maximum(memory[:, :-1], x[:, 1:])
    assert bool(((memory[:, 1:] >= low - 1e-12) & (memory[:, 1:] <= high + 1e-12)).all())


def test_every_parameter_has_a_gradient() -> None:
    net = unit(3)
    net(clips(3, 3)).square().sum().backward()
    assert without_gradient(net) == []


def test_remembers_in_float32_under_autocast() -> None:
    net, x = unit(4).float(), clips(4, 3).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert net(x).dtype == torch.float32


def test_maps_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="maps of 3 x 2, not 2 x 3: give pictures"):
        unit(0)(clips(0, 2).transpose(3, 4))
