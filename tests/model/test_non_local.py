"""The non-local block against its formula, position by position."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.layers.non_local import NonLocal, attend


def awake(block: NonLocal) -> NonLocal:
    """With every number drawn, the batch norm's too, as they are after training."""
    with torch.no_grad():
        for name, tensor in block.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2)
            elif tensor.is_floating_point():
                tensor.normal_()
    return block


def literal_map(weight: Tensor, bias: Tensor | None, x: Tensor) -> list[list[Tensor]]:
    """A 1 x 1 convolution of (C, L): a list of positions, each a list of N numbers."""
    positions = []
    for place in range(x.shape[1]):
        row = []
        for n in range(len(weight)):
            total = sum((weight[n, c, 0] * x[c, place] for c in range(len(x))), start=x.new_zeros(()))
            row.append(total if bias is None else total + bias[n])
        positions.append(row)
    return positions


def literal_halved(positions: list[list[Tensor]], shape: tuple[int, int, int]) -> list[list[Tensor]]:
    frames, height, width = shape
    kept = []
    for t, h, w in itertools.product(range(frames), range(0, height, 2), range(0, width, 2)):
        near = [
            positions[(t * height + y) * width + x]
            for y, x in itertools.product(range(h, min(h + 2, height)), range(w, min(w + 2, width)))
        ]
        kept.append([max((each[n] for each in near), key=Tensor.item) for n in range(len(near[0]))])
    return kept


def literal(block: NonLocal, clip: Tensor) -> Tensor:
    """One clip (C, ...) in evaluation."""
    x = clip.flatten(1)
    theta = literal_map(block.theta.weight, block.theta.bias, x)
    phi, g = (literal_map(conv.weight, None, x) for conv in (block.phi, block.g))
    if block.subsample:
        shape = (clip.shape[1], clip.shape[2], clip.shape[3])
        phi, g = literal_halved(phi, shape), literal_halved(g, shape)
    mean, variance = block.norm.running_mean, block.norm.running_var
    assert mean is not None and variance is not None
    out = torch.zeros_like(x)
    for place, query in enumerate(theta):
        weights = [
            torch.exp(sum((q * k for q, k in zip(query, key, strict=True)), start=x.new_zeros(()))) for key in phi
        ]
        total = sum(weights, start=x.new_zeros(()))
        y = [
            sum((a * v[n] for a, v in zip(weights, g, strict=True)), start=x.new_zeros(())) / total
            for n in range(len(query))
        ]
        for c in range(len(x)):
            w = sum((block.out.weight[c, n, 0] * y[n] for n in range(len(y))), start=x.new_zeros(()))
            scaled = (w - mean[c]) / torch.sqrt(variance[c] + block.norm.eps)
            out[c, place] = x[c, place] + scaled * block.norm.weight[c] + block.norm.bias[c]
    return out.view_as(clip)


@given(seed=st.integers(0, 2**16), frames=st.integers(1, 3), height=st.integers(1, 3), width=st.integers(1, 3))
@settings(max_examples=8, deadline=None)
def test_equals_its_formula_over_time_and_space(seed: int, frames: int, height: int, width: int) -> None:
    torch.manual_seed(seed)
    block = awake(NonLocal(4, inner=2, dims=3, subsample=seed % 2 == 0)).double().eval()
    clips = torch.randn(2, 4, frames, height, width, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(block(clips), torch.stack([literal(block, clip) for clip in clips]))


def test_equals_its_formula_over_time() -> None:
    torch.manual_seed(0)
    block = awake(NonLocal(6, dims=1, subsample=False)).double().eval()
    assert block.theta.out_channels == 3
    clips = torch.randn(2, 6, 5, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(block(clips), torch.stack([literal(block, clip) for clip in clips]))


@pytest.mark.parametrize("training", [True, False])
def test_a_fresh_block_does_exactly_nothing(training: bool) -> None:
    block, clips = NonLocal(8, dims=3, subsample=True).train(training), torch.randn(2, 8, 3, 4, 2)
    assert torch.equal(block(clips), clips)


def test_wakes_by_its_scale_and_then_every_parameter_has_a_gradient() -> None:
    torch.manual_seed(1)
    block, clips = NonLocal(8, dims=3, subsample=True), torch.randn(2, 8, 3, 4, 2)
    target = torch.randn_like(clips)
    (block(clips) * target).sum().backward()
    assert block.norm.weight.grad is not None and block.norm.weight.grad.any()
    awake(block)
    block.zero_grad()
    (block(clips) * target).sum().backward()
    for name, parameter in block.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name


def test_the_order_of_frames_does_not_count() -> None:
    torch.manual_seed(2)
    block, clips = awake(NonLocal(4, dims=3, subsample=True)).eval(), torch.randn(1, 4, 5, 4, 2)
    order = torch.randperm(5)
    torch.testing.assert_close(block(clips[:, :, order]), block(clips)[:, :, order], rtol=1e-4, atol=1e-4)


def test_a_frame_sees_the_others() -> None:
    torch.manual_seed(3)
    block, clips = awake(NonLocal(4, dims=3, subsample=True)).eval(), torch.randn(1, 4, 2, 4, 2)
    other = clips.clone()
    other[:, :, 1] += 1
    assert not torch.allclose(block(clips)[:, :, 0], block(other)[:, :, 0])


def test_products_are_float32_under_autocast() -> None:
    torch.manual_seed(4)
    query, key, value = (torch.randn(1, 8, places).bfloat16() for places in (3, 5, 5))
    outside = attend(query.float(), key.float(), value.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = attend(query, key, value)
        assert NonLocal(8, dims=1, subsample=False)(torch.randn(2, 8, 3)).isfinite().all()
    assert inside.dtype == torch.float32
    assert torch.equal(inside, outside)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="use 3"):
        NonLocal(4, dims=1, subsample=True)
    with pytest.raises(ValueError, match=r"takes \(B, C, T\)"):
        NonLocal(4, dims=1, subsample=False)(torch.zeros(1, 4, 2, 2, 2))


def test_weights_are_drawn_by_inputs_or_by_outputs() -> None:
    """PyTorch: a variance of 1 / 3 input channels. TKP's program: 2 / output channels."""
    torch.manual_seed(1)
    for fan_out in (False, True):
        block = NonLocal(256, inner=128, dims=3, subsample=True, fan_out=fan_out)
        for convolution in (block.theta, block.phi, block.g, block.out):
            variance = 2 / convolution.out_channels if fan_out else 1 / (3 * convolution.in_channels)
            assert convolution.weight.var().item() == pytest.approx(variance, rel=0.05)
        assert not block.norm.weight.any(), "and it still does nothing"
