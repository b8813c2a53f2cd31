"""M3D: where its layers stand, two streams that begin almost as one trunk, and what they learn."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.layers.frame_trunk import FrameTrunk, TrunkName
from model.layers.multi_scale_trunk import MultiScaleTrunk
from model.systems.m3d import M3D, M3DConfig
from model.systems.system import Batch
from tests.systems.learning import settle, wake, without_gradient

SMALL = M3DConfig(trunk="mobilenetv2", height=64, width=32, frames=4)


def system(config: M3DConfig = SMALL) -> M3D:
    torch.manual_seed(0)
    return M3D(config)


def awake(config: M3DConfig = SMALL) -> M3D:
    """As if it had learned: layers over time that are as loud as the trunk."""
    net = system(config)
    wake(net)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.ones_(module.weight)
    return net


def clips(batch: int, frames: int = 4, config: M3DConfig = SMALL) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, frames, 3, config.height, config.width, generator=generator)


def batch_of(shown: Tensor, *persons: int) -> Batch:
    person = torch.tensor(persons)
    return Batch(shown, person=person, track=torch.arange(len(person)), camera=torch.zeros_like(person))


def silenced(trunk: MultiScaleTrunk) -> MultiScaleTrunk:
    """With layers over time that add exactly nothing."""
    for module in trunk.scales.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.zeros_(module.weight)
    return trunk


def in_pairs(x: Tensor) -> Tensor:
    return (x[0::2] + x[1::2]) / 2


@pytest.mark.parametrize(
    ("frames", "times", "scales"),
    [
        (8, (8, 8, 8, 4, 2, 1), (3, 3, 3, 2, 1)),  # the program's
        (4, (4, 4, 4, 2, 1, 1), (2, 2, 2, 1, 0)),
        (2, (2, 2, 2, 1, 1, 1), (1, 1, 1, 0, 0)),
        (32, (32, 32, 32, 16, 8, 4), (3, 3, 3, 3, 3)),
    ],
)
def test_time_halves_until_one_frame_is_left(frames: int, times: tuple[int, ...], scales: tuple[int, ...]) -> None:
    trunk = MultiScaleTrunk(FrameTrunk("mobilenetv2", last_stride=2), frames, dilations=(1, 2, 3), reduction=16)
    assert (trunk.times, tuple(len([*each.get_submodule("branches").children()]) for each in trunk.scales)) == (
        times,
        scales,
    )
    with torch.no_grad():
        assert trunk.eval()(clips(2, frames)).shape == (2, times[-1], 320, 2, 1)


def test_resnet_50_over_time_is_the_program_s() -> None:
    """Its forward pass, written out, with layers over time and masks that are loud."""
    net = awake(M3DConfig(height=64, width=32))
    trunk = net.temporal
    shown = clips(2, 8)
    settle(net, shown)
    (conv1, bn1, act1, pool), *stages = (list(stage.children()) for stage in trunk.trunk.stages)

    def over_time(layer: nn.Module, x: Tensor) -> Tensor:
        """Two clips' frames, one clip after the other."""
        maps = layer(torch.stack(x.chunk(2)).permute(0, 2, 1, 3, 4))  # (2, C, T, h, w)
        return torch.cat([*maps.permute(0, 2, 1, 3, 4)])

    with torch.no_grad():
        x = act1(bn1(conv1(shown.flatten(0, 1))))
        x = pool(over_time(trunk.scales[0], x))
        for n, stage in enumerate(stages, start=1):
            first: Any = stage[0]
            halved = in_pairs if n > 1 else (lambda maps: maps)
            out = F.relu(first.bn2(first.conv2(F.relu(first.bn1(first.conv1(x))))))
            out = first.bn3(first.conv3(over_time(trunk.scales[n], out)))
            x = F.relu(out + halved(first.downsample(x)))
            for block in stage[1:]:
                x = block(x)
            if n < 4:
                x = over_time(trunk.attention[str(n)], x)
        assert x.shape == (2, 2048, 2, 1)
        torch.testing.assert_close(trunk(shown), x[:, None], rtol=1e-4, atol=1e-5)
        wanted = F.normalize(net.temporal_embed(x.mean(dim=(2, 3))), dim=1)
        torch.testing.assert_close(net.features(shown)[:, :128], wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("trunk", ["resnet18", "resnet50", "seresnet50", "legacy_seresnet50", "inception_v3"])
def test_every_trunk_works(trunk: TrunkName) -> None:
    height, width = (139, 107) if trunk == "inception_v3" else (64, 32)
    net = system(M3DConfig(trunk=trunk, height=height, width=width, frames=2)).eval()
    with torch.no_grad():
        features = net.features(clips(1, 2, net.config))
    assert features.shape == (1, net.dimension) == (1, 256)
    torch.testing.assert_close(features.view(2, 128).norm(dim=1), torch.ones(2))


@pytest.mark.parametrize("trunk", ["mobilenetv2", "resnet18", "resnet50", "legacy_seresnet50", "inception_v3"])
def test_of_a_still_clip_layers_that_add_nothing_leave_the_trunk_s_maps(trunk: TrunkName) -> None:
    height, width = (139, 107) if trunk == "inception_v3" else (64, 32)
    net = system(M3DConfig(trunk=trunk, height=height, width=width)).double()  # deep trunks enlarge what is rounded
    one = clips(1, 1, net.config).double()
    settle(net, clips(2, 8, net.config).double())
    with torch.no_grad():
        maps = silenced(net.temporal)(one.expand(1, 8, *one.shape[2:]))
        alone = net.temporal.trunk(one[0])
    assert maps.shape == (1, 1, *alone.shape[1:])
    torch.testing.assert_close(maps[0], alone)


def test_a_fresh_one_is_almost_its_trunk() -> None:
    """Trained weights of the trunk are of use from the first step."""
    net = system(M3DConfig(trunk="resnet18", height=64, width=32))
    shown = clips(2, 8)
    settle(net, shown)
    with torch.no_grad():
        fresh, silent = net.temporal(shown), silenced(net.temporal)(shown)
    assert not torch.equal(fresh, silent)
    assert float(F.cosine_similarity(fresh.flatten(1), silent.flatten(1)).min()) > 0.99


def test_the_order_of_frames_counts_for_the_stream_over_time() -> None:
    net, shown = awake(), clips(2)
    settle(net, shown)
    with torch.no_grad():
        (over_time, spatial), (turned, spatial_turned) = (
            net.features(seen).chunk(2, dim=1) for seen in (shown, shown.flip(1))
        )
    assert not torch.allclose(over_time, turned, rtol=1e-2)
    torch.testing.assert_close(spatial, spatial_turned, rtol=1e-4, atol=1e-5)


def test_clips_of_a_batch_do_not_see_one_another() -> None:
    net, shown = awake(), clips(3)
    settle(net, shown)
    with torch.no_grad():
        torch.testing.assert_close(net.features(shown)[1:2], net.features(shown[1:2]), rtol=1e-4, atol=1e-4)


def test_losses_are_a_cross_entropy_of_the_clips_and_one_of_their_frames() -> None:
    net, shown = awake().eval(), clips(3)
    heads, batch = net.training_heads(5).eval(), batch_of(shown, 0, 1, 4)
    with torch.no_grad():
        got = net.losses(batch, heads)
        vectors = net.spatial_embed(net.spatial(shown.flatten(0, 1)).mean(dim=(2, 3)))
        logits = heads.get_submodule("spatial")(vectors)
        temporal, spatial = net.features(shown).chunk(2, dim=1)
        torch.testing.assert_close(spatial, F.normalize(vectors.view(3, 4, -1).mean(dim=1), dim=1))
    wanted = F.cross_entropy(logits, torch.tensor([0] * 4 + [1] * 4 + [4] * 4))
    assert got.keys() == {"temporal", "spatial"} and temporal.shape == (3, 128)
    torch.testing.assert_close(got["spatial"], wanted)


def test_heads_are_norm_relu_dropout_and_a_small_classifier() -> None:
    torch.manual_seed(0)
    for head in system().training_heads(200).children():
        norm, relu, dropout, last = head.children()
        assert isinstance(norm, nn.BatchNorm1d) and isinstance(relu, nn.ReLU) and isinstance(last, nn.Linear)
        assert isinstance(dropout, nn.Dropout) and dropout.p == 0.5
        assert last.weight.std().item() == pytest.approx(0.001, rel=0.05) and not last.bias.any()


def test_every_parameter_learns_and_losses_are_float32_under_autocast() -> None:
    net = awake()
    heads = net.training_heads(2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = net.losses(batch_of(clips(3), 0, 0, 1), heads)
    assert all(term.ndim == 0 and term.dtype == torch.float32 for term in terms.values())
    torch.autograd.backward(torch.stack([*terms.values()]).sum())
    assert without_gradient(net, heads) == []


def test_of_a_fresh_one_all_but_its_masks_learns_at_once() -> None:
    net = system()
    heads = net.training_heads(2)
    terms = net.losses(batch_of(clips(3), 0, 1, 1), heads)
    torch.autograd.backward(torch.stack([*terms.values()]).sum())
    silent = without_gradient(net, heads)
    assert silent and all(".attention." in name and not name.endswith("temporal.3.weight") for name in silent)


def test_at_resnet_50_s_size() -> None:
    net = awake(M3DConfig(height=128, width=64))
    heads, shown = net.training_heads(625), clips(2, 8, net.config)
    terms = net.losses(batch_of(shown, 3, 4), heads)
    torch.autograd.backward(torch.stack([*terms.values()]).sum())
    assert without_gradient(net, heads) == []


@pytest.mark.parametrize("frames", [1, 3, 6, 12])
def test_frames_that_cannot_be_halved_are_refused(frames: int) -> None:
    with pytest.raises(ValueError, match=rf"2, 4, 8 .*, not {frames}: set frames to one of them"):
        M3DConfig(frames=frames)


@pytest.mark.parametrize("frames", [1, 3, 8])
def test_clips_of_another_length_are_refused(frames: int) -> None:
    with pytest.raises(ValueError, match=rf"exactly 4 frames and was given {frames}: cut .* repeat"):
        system().features(clips(1, frames))
    assert (system().frames, M3D.fixed) == (4, True)


@pytest.mark.parametrize("shape", [(1, 4, 3, 32, 64), (1, 0, 3, 64, 32), (4, 3, 64, 32)])
def test_what_are_no_clips_of_its_size_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"3, 64, 32.*resize the frames"):
        system().features(torch.zeros(shape))
