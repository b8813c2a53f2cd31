"""GLTR: its pyramid and its attention frame by frame, and the whole on clips of any length."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from model.layers.non_local import NonLocal
from model.systems.gltr import DilatedPyramid, Gltr, GltrConfig, TemporalSelfAttention
from model.systems.system import Batch
from model.training.config_files import checked, read_config
from model.training.system_config import FOLDER, SystemRun
from tests.systems.learning import assert_short_clips_begin_again

PAPER = GltrConfig(trunk="resnet18", height=64, width=32, frame_dimension=8, short="as they are")
OF_CODE = checked(SystemRun, read_config("gltr-code", folder=FOLDER), "gltr-code").network_config().settings
CODE = replace(OF_CODE, trunk="resnet18", height=64, width=32, frame_dimension=8, short="as they are")


def awake(module: nn.Module) -> None:
    """No number is 0 or tiny that training would change."""
    for each in module.modules():
        if isinstance(each, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.ones_(each.weight)
        if isinstance(each, DilatedPyramid):
            for weight in each.parameters():
                nn.init.normal_(weight, std=0.3)
        if isinstance(each, TemporalSelfAttention):
            nn.init.normal_(each.out.weight)


def batch(clips: Tensor) -> Batch:
    numbers = torch.arange(len(clips))
    return Batch(clips=clips, person=numbers // 2, track=numbers, camera=numbers % 2)


def literal_pyramid(pyramid: DilatedPyramid, rates: tuple[int, ...], x: Tensor) -> Tensor:
    """One clip (C, T)."""
    channels, frames = x.shape
    columns = []
    for t in range(frames):
        column = [x[:, t]] if pyramid.raw else []
        for rate, convolution in zip(rates, pyramid.convolutions, strict=True):
            assert isinstance(convolution, nn.Conv1d)
            total = x.new_zeros(channels)
            for i in (-1, 0, 1):
                if 0 <= t + rate * i < frames:
                    total = total + convolution.weight[:, :, i + 1] @ x[:, t + rate * i]
            column.append(total)
        columns.append(torch.cat(column))
    return torch.stack(columns, dim=1)


@pytest.mark.parametrize(("rates", "raw"), [((1, 2, 4), False), ((1, 2, 3), True)])
@given(seed=st.integers(0, 2**16), frames=st.integers(1, 11))
@settings(max_examples=15, deadline=None)
def test_the_pyramid_is_the_paper_s_dilated_sums(rates: tuple[int, ...], raw: bool, seed: int, frames: int) -> None:
    torch.manual_seed(seed)
    pyramid = DilatedPyramid(5, rates, raw=raw, start=0.001).double()
    awake(pyramid)
    clips = torch.randn(2, 5, frames, dtype=torch.float64)
    want = torch.stack([literal_pyramid(pyramid, rates, clip) for clip in clips])
    assert want.shape[1] == pyramid.channels
    torch.testing.assert_close(pyramid(clips), want)


def test_the_pyramid_is_drawn_with_weights_of_the_size_asked_for() -> None:
    torch.manual_seed(1)
    for start in (0.001, 0.05):
        pyramid = DilatedPyramid(64, (1, 2, 4), raw=False, start=start)
        drawn = torch.cat([weights.detach().flatten() for weights in pyramid.parameters()])
        assert abs(float(drawn.std()) / start - 1) < 0.05


def test_linear_maps_are_drawn_as_in_the_program() -> None:
    torch.manual_seed(1)
    system = Gltr(replace(PAPER, frame_dimension=128))
    *_, classifier = system.training_heads(625).children()
    assert isinstance(classifier, nn.Linear)
    for layer, std in ((system.embed, (2 / 128) ** 0.5), (classifier, 0.001)):
        assert layer.weight.std().item() == pytest.approx(std, rel=0.05) and not layer.bias.any()


def literal_attention(attention: TemporalSelfAttention, x: Tensor) -> Tensor:
    """One clip (D, T) in evaluation."""
    asked, answering = attention.c(x[None])[0], attention.b(x[None])[0]  # (N, T)
    frames = range(x.shape[1])
    columns = []
    for t in frames:
        weights = [torch.exp((answering[:, s] * asked[:, t]).sum()) for s in frames]
        mixed = sum(
            (w * (attention.value.weight[:, :, 0] @ x[:, s]) for s, w in enumerate(weights)), start=x.new_zeros(())
        )
        columns.append(x[:, t] + attention.out.weight[:, :, 0] @ (mixed / sum(weights)))
    return torch.stack(columns, dim=1)


@given(seed=st.integers(0, 2**16), frames=st.integers(1, 6))
@settings(max_examples=15, deadline=None)
def test_the_attention_is_the_paper_s(seed: int, frames: int) -> None:
    torch.manual_seed(seed)
    attention = TemporalSelfAttention(6, 3).double().eval()
    awake(attention)
    clips = torch.randn(2, 6, frames, dtype=torch.float64)
    with torch.no_grad():
        want = torch.stack([literal_attention(attention, clip) for clip in clips])
        torch.testing.assert_close(attention(clips), want)


def test_what_is_compared_has_a_norm_and_is_never_below_0() -> None:
    attention = TemporalSelfAttention(6, 3)
    clips = torch.randn(4, 6, 50)
    compared = attention.b(clips)
    raw = attention.b[0](clips)
    mean, std = raw.mean(dim=(0, 2), keepdim=True), raw.std(dim=(0, 2), keepdim=True, correction=0)
    torch.testing.assert_close(compared, ((raw - mean) / std).clamp(min=0), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("config", [PAPER, CODE])
def test_at_first_a_clip_is_the_mean_of_the_pyramid(config: GltrConfig) -> None:
    torch.manual_seed(0)
    system, clips = Gltr(config).eval(), torch.randn(2, 5, 3, 64, 32)
    with torch.no_grad():
        each = system.embed(system.trunk(clips.flatten(0, 1)).mean(dim=(2, 3))).view(2, 5, 8)
        want = system.pyramid(each.transpose(1, 2)).mean(dim=2)
        assert torch.equal(system.features(clips), want)


@pytest.mark.parametrize(("config", "dimension"), [(PAPER, 24), (CODE, 32)])
def test_takes_clips_of_any_length(config: GltrConfig, dimension: int) -> None:
    torch.manual_seed(1)
    system = Gltr(config).eval()
    awake(system)
    assert (system.dimension, system.frames, system.fixed) == (dimension, 16, False)
    clips = torch.randn(2, 18, 3, 64, 32)
    with torch.no_grad():
        for frames in (1, 2, 18):
            together = system.features(clips[:, :frames])
            assert together.shape == (2, dimension)
            torch.testing.assert_close(system.features(clips[:1, :frames])[0], together[0], rtol=1e-4, atol=1e-4)


def test_a_short_clip_begins_again_and_a_longer_one_is_taken_as_it_is() -> None:
    """To a pyramid that sees zeros outside, one frame would be another thing than the same frame for a whole clip."""
    torch.manual_seed(4)
    as_they_are = Gltr(replace(PAPER, frames=4)).eval()
    again = Gltr(replace(PAPER, frames=4, short="again")).eval()
    awake(again)
    as_they_are.load_state_dict(again.state_dict())
    assert_short_clips_begin_again(as_they_are, again, torch.randn(2, 5, 3, 64, 32))


def test_works_on_the_small_trunk() -> None:
    assert Gltr(replace(PAPER, trunk="mobilenetv2")).eval().features(torch.randn(1, 3, 3, 64, 32)).shape == (1, 24)


def test_the_order_of_frames_counts_in_the_pyramid_alone() -> None:
    torch.manual_seed(2)
    system, clips = Gltr(PAPER).double().eval(), torch.randn(1, 6, 3, 64, 32, dtype=torch.float64)
    awake(system)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    with torch.no_grad():
        assert not torch.allclose(system.features(clips[:, order]), system.features(clips), rtol=1e-3, atol=0)
        local = torch.randn(1, 24, 6, dtype=torch.float64)
        torch.testing.assert_close(system.attention(local[:, :, order]), system.attention(local)[:, :, order])


@pytest.mark.parametrize("config", [PAPER, CODE])
def test_the_loss_is_the_cross_entropy_behind_the_head(config: GltrConfig) -> None:
    torch.manual_seed(3)
    system = Gltr(config).eval()
    heads = system.training_heads(2).eval()
    assert [type(layer) for layer in heads.children()] == [nn.BatchNorm1d, nn.ReLU, nn.Dropout, nn.Linear]
    shown = batch(torch.randn(4, 2, 3, 64, 32))
    with torch.no_grad():
        logits = heads(system.features(shown.clips))
        want = (
            -sum((row.log_softmax(0)[person] for row, person in zip(logits, shown.person, strict=True)), start=0.0) / 4
        )
        losses = system.losses(shown, heads)
        assert list(losses) == ["identity"]
        torch.testing.assert_close(losses["identity"], want)


@pytest.mark.parametrize("config", [PAPER, CODE])
def test_under_autocast_losses_and_features_are_float32(config: GltrConfig) -> None:
    torch.manual_seed(4)
    system, shown = Gltr(config), batch(torch.randn(4, 3, 3, 64, 32))
    awake(system)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert system.features(shown.clips).dtype == torch.float32
        loss = system.losses(shown, system.training_heads(2))["identity"]
    assert loss.dtype == torch.float32 and loss.isfinite()


@pytest.mark.parametrize("shape", [(2, 3, 64, 32), (1, 0, 3, 64, 32), (1, 2, 3, 32, 64)])
def test_what_are_no_clips_of_its_size_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="resize"):
        Gltr(PAPER).features(torch.zeros(shape))


@pytest.mark.parametrize(("config", "dimension"), [(GltrConfig(), 384), (OF_CODE, 512)])
def test_has_the_paper_s_sizes_and_a_gradient_everywhere(config: GltrConfig, dimension: int) -> None:
    torch.manual_seed(5)
    system = Gltr(config)
    awake(system)
    heads = system.training_heads(3)
    # Two clips of five frames, as many as the widest convolution needs to see another.
    shown = batch(torch.randn(2, 5, 3, 256, 128))
    maps: list[torch.Size] = []
    system.trunk.register_forward_hook(lambda _, __, out: maps.append(out.shape))
    system.losses(replace(shown, person=torch.tensor([0, 2])), heads)["identity"].backward()  # type: ignore[no-untyped-call]
    assert maps == [(10, 2048, 16, 8)]
    assert system.dimension == dimension and system.embed.out_features == 128
    if isinstance(system.attention, NonLocal):
        assert system.attention.theta.weight.shape == (256, 512, 1)
    for name, parameter in [*system.named_parameters(), *heads.named_parameters()]:
        assert parameter.grad is not None and parameter.grad.any(), name


def test_the_parameters_are_those_of_the_published_layers() -> None:
    # ResNet-50 without its classifier, and what the texts give sizes of.
    trunk, embed = 23_508_032, 2048 * 128 + 128
    paper = 3 * 3 * 128**2 + 4 * 384 * 192 + 2 * 2 * 192
    code = 3 * 3 * 128**2 + 4 * 512 * 256 + 256 + 2 * 512  # theta's bias, the norm
    for config, head in ((GltrConfig(), paper), (OF_CODE, code)):
        assert sum(each.numel() for each in Gltr(config).parameters()) == trunk + embed + head
