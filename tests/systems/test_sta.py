"""STA: bands of a body, each from the frames that show it."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from model.layers.frame_trunk import TrunkName
from model.losses.batch_hard import batch_hard_triplet
from model.losses.inter_frame import inter_frame
from model.systems.sta import STA, STAConfig, band_attention, strongest, weighted
from model.systems.system import Batch
from tests.systems.learning import assert_every_gradient, wake

SMALL = STAConfig(trunk="resnet18", height=64, width=32, dimension=8)


def system(config: STAConfig = SMALL) -> STA:
    torch.manual_seed(0)
    net = STA(config)
    wake(net)
    return net


def batch(clips: int = 4, frames: int = 3, height: int = 64, width: int = 32) -> Batch:
    g = torch.Generator().manual_seed(1)
    number = torch.arange(clips)
    return Batch(torch.randn(clips, frames, 3, height, width, generator=g), number // 2, number, number % 2)


def maps(height: int = 8) -> Tensor:
    return torch.randn(2, 3, 5, height, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def band_of(row: int, height: int, bands: int) -> int:
    return row * bands // height


def literal_attention(x: Tensor, bands: int) -> Tensor:
    clips, frames, channels, height, width = x.shape
    share = torch.zeros(clips, bands, frames, dtype=x.dtype)
    for b in range(clips):
        for t in range(frames):
            for c in range(channels):
                for h in range(height):
                    for w in range(width):
                        share[b, band_of(h, height, bands), t] += x[b, t, c, h, w] ** 2
            share[b, :, t] /= share[b, :, t].sum()
        for k in range(bands):
            share[b, k] /= share[b, k].sum()
    return share


@pytest.mark.parametrize("height", [4, 6, 8])
def test_attention_and_both_maps_equal_their_definition(height: int) -> None:
    x = maps(height)
    attention = band_attention(x, 4)
    torch.testing.assert_close(attention, literal_attention(x, 4))
    best, mean = strongest(x, attention), weighted(x, attention)
    for b in range(2):
        for h in range(height):
            told = attention[b, band_of(h, height, 4)].tolist()
            torch.testing.assert_close(best[b, :, h], x[b, told.index(max(told)), :, h])
            torch.testing.assert_close(mean[b, :, h], sum(told[t] * x[b, t, :, h] for t in range(3)))


def test_a_frame_s_larger_numbers_do_not_raise_it() -> None:
    x = maps()
    scale = torch.tensor([1.0, 7.0, 0.1], dtype=torch.float64)[:, None, None, None]
    torch.testing.assert_close(band_attention(x * scale, 4), band_attention(x, 4))


def test_a_blanked_band_is_taken_from_the_other_frames() -> None:
    x = torch.ones(1, 3, 5, 8, 2)
    x[:, 0, :, 2:4] = 0
    attention = band_attention(x, 4)
    torch.testing.assert_close(attention[0, 1], torch.tensor([0, 0.5, 0.5]))
    torch.testing.assert_close(weighted(x, attention), x[:, 1])
    assert torch.equal(strongest(x, attention)[:, :, 2:4], x[:, 1, :, 2:4])


def test_maps_of_zeros_weigh_all_frames_the_same() -> None:
    torch.testing.assert_close(band_attention(torch.zeros(1, 2, 5, 8, 2), 4), torch.full((1, 4, 2), 0.5))


def test_attention_is_float32_under_autocast() -> None:
    x = maps().to(torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = band_attention(x, 4)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, band_attention(x.float(), 4))


@pytest.mark.parametrize("trunk", ["resnet18", "mobilenetv2"])
@pytest.mark.parametrize("frames", [1, 2, 5])
def test_takes_clips_of_any_length_in_any_order(trunk: TrunkName, frames: int) -> None:
    net, clips = system(replace(SMALL, trunk=trunk)).eval(), batch(2, frames).clips
    with torch.inference_mode():
        features = net.features(clips)
        torch.testing.assert_close(features, net.features(clips.flip(1)), rtol=1e-4, atol=1e-5)
    assert features.shape == (2, net.dimension) == (2, 8)
    assert not net.fixed


def test_copies_of_an_image_are_the_image() -> None:
    net, clips = system().eval(), batch(2, 1).clips
    with torch.inference_mode():
        torch.testing.assert_close(net.features(clips.repeat(1, 4, 1, 1, 1)), net.features(clips), rtol=1e-4, atol=1e-5)


def test_the_attention_has_no_parameters() -> None:
    net = system()
    assert sum(p.numel() for p in net.parameters()) == sum(
        p.numel() for part in (net.trunk, net.embed) for p in part.parameters()
    )


@pytest.mark.parametrize("autocast", [False, True])
def test_every_parameter_gets_a_gradient(autocast: bool) -> None:
    net = system()
    heads = net.training_heads(2)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        terms = net.losses(batch(), heads)
    assert {term.dtype for term in terms.values()} == {torch.float32}
    assert_every_gradient(terms, net, heads)


@pytest.mark.parametrize("margin", [None, 0.3])
def test_losses_equal_their_formulas(margin: float | None) -> None:
    net, shown = system(replace(SMALL, margin=margin, regularisation=2.0)).eval(), batch()
    heads = net.training_heads(2)
    terms, features = net.losses(shown, heads), net.features(shown.clips)
    log_p = heads(features).log_softmax(dim=1)
    torch.testing.assert_close(terms["identity"], -sum(log_p[b, int(shown.person[b])] for b in range(4)) / 4)
    torch.testing.assert_close(terms["triplet"], batch_hard_triplet(features, shown.person, margin=margin))
    attention = band_attention(net.trunk(shown.clips.flatten(0, 1)).unflatten(0, (4, 3)), 4)
    torch.testing.assert_close(terms["inter_frame"], 2 * inter_frame(attention))
    assert terms["inter_frame"] > 0


def test_single_frames_are_trained_on_without_a_regularisation() -> None:
    net = system()
    terms = net.losses(batch(frames=1), net.training_heads(2))
    assert terms["inter_frame"].item() == 0
    grown = torch.autograd.grad(torch.stack([*terms.values()]).sum(), [*net.parameters()])
    assert all(one.isfinite().all() for one in grown)


@pytest.mark.parametrize("shape", [(1, 2, 3, 32, 64), (1, 0, 3, 64, 32), (2, 3, 64, 32)])
def test_other_clips_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"64, 32\) of one frame or more"):
        system().features(torch.zeros(shape))


def test_refuses_frames_too_low_for_their_bands() -> None:
    with pytest.raises(ValueError, match="each of 4 bands at least, and frames of 32 pixels give 2: raise `height`"):
        replace(SMALL, height=32)
    with pytest.raises(ValueError, match="at least one band, got 0"):
        STAConfig(bands=0)


def test_the_paper_s_size() -> None:
    config = STAConfig()
    assert (config.trunk, config.bands) == ("resnet50", 4)
    net = system(config)
    heads = net.training_heads(625)
    shown = batch(2, config.frames, config.height, config.width)
    terms = net.losses(shown, heads)
    assert_every_gradient(terms, net, heads)
    with torch.inference_mode():
        assert net.eval().features(shown.clips[:1]).shape == (1, 1024)
