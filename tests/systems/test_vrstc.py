"""VRSTC: occluded bands found and drawn anew, then the ReID net."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.layers.frame_trunk import FrameTrunk, TrunkName
from model.layers.imagenet_pixels import ImagenetPixels
from model.layers.non_local import NonLocal
from model.layers.non_local_trunk import NonLocalTrunk
from model.layers.occlusion import BANDS, lower_fence
from model.layers.signed_pixels import as_pixels, normalised, signed
from model.systems.config import system_config
from model.systems.encoder import drawn_system
from model.systems.stcnet import STCnet, STCnetConfig, Windows
from model.systems.system import Batch
from model.systems.vrstc import VRSTC, Completer, Guider, VRSTCConfig
from model.vills.config import IMAGENET_MEAN, IMAGENET_STD
from model.weights import UNTRAINED, fill, load_weights, save_weights
from tests.losses.literal import seeded
from tests.systems.tiny import TINY

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


@pytest.mark.parametrize("trunk", ["resnet18", "mobilenetv2", "seresnet50"])
def test_features_of_clips_of_any_length(trunk: TrunkName) -> None:
    net = system(replace(SMALL, trunk=trunk))
    for frames in (1, 2, 5):
        features = net.features(clips(2, frames))
        assert features.shape == (2, net.dimension) and features.isfinite().all()
    assert (net.frames, net.fixed, net.dimension) == (4, False, FrameTrunk(trunk).channels[-1])


def test_inception_works_with_its_last_stride() -> None:
    config = replace(OFF, trunk="inception_v3", last_stride=2, height=139, width=139)
    assert system(config).features(clips(1, 2, config)).shape == (1, 2048)


def test_begins_as_the_base_net() -> None:
    net, base = system(OFF), system(replace(OFF, non_local=False))
    assert any(isinstance(each, NonLocal) for each in net.modules())
    assert not any(isinstance(each, NonLocal) for each in base.modules())
    assert isinstance(net.net.trunk, NonLocalTrunk)
    net.net.trunk.trunk.load_state_dict(base.net.trunk.state_dict())
    seen = clips()
    torch.testing.assert_close(net.features(seen), base.features(seen))
    # The base net's clip is the mean of its frames.
    alone = base.features(seen.flatten(0, 1)[:, None]).view(2, 4, -1)
    torch.testing.assert_close(base.features(seen), alone.mean(1))


def wake(module: nn.Module) -> None:
    """Let branches have a say whose last batch norm is drawn as 0: before it, there is no gradient either."""
    for each in module.modules():
        if isinstance(each, nn.BatchNorm1d | nn.BatchNorm2d) and not each.weight.any():
            nn.init.ones_(each.weight)


def test_the_net_has_no_order_of_frames() -> None:
    net = system(OFF)
    wake(net)
    seen = clips()
    torch.testing.assert_close(net.features(seen), net.features(seen.flip(1)), rtol=1e-4, atol=1e-5)


def test_completion_knows_what_comes_before(monkeypatch: pytest.MonkeyPatch) -> None:
    net, bands, seen = system(), nothing_hidden(), clips()
    bands[:, 1, 0] = True
    say(monkeypatch, bands)
    forwards = net.complete(seen)
    say(monkeypatch, bands.flip(1))
    assert not torch.allclose(net.complete(seen.flip(1)).flip(1), forwards)


def test_a_band_blanked_in_one_frame_is_found_and_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """With colours for features: the score finds that band and no other, and only its rows change."""
    net = system()
    monkeypatch.setattr(completer(net).locator, "maps", lambda clips: F.avg_pool3d(clips, (1, 4, 4)))
    seen = clips() * 0.1 + torch.tensor([1.0, 0.8, 1.2])[:, None, None]
    blank = -torch.tensor(IMAGENET_MEAN) / torch.tensor(IMAGENET_STD)
    seen[1, 2, :, 43:] = blank[:, None, None]  # the lower third: rows 43 to 63
    assert completer(net).occluded(seen).nonzero().tolist() == [[1, 2, 2]]
    completed = net.complete(seen)
    changed = (completed != seen).any(dim=(2, 4))  # (B, T, H)
    wanted = torch.zeros_like(changed)
    wanted[1, 2, 43:] = True
    assert torch.equal(changed, wanted)
    torch.testing.assert_close(net.features(seen), net.net(completed))


def test_without_occlusion_everything_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    net, seen = system(), clips(2, 1)
    assert net.complete(seen) is seen  # one frame is never strange to itself
    say(monkeypatch, nothing_hidden())
    seen = clips()
    assert net.complete(seen) is seen


@pytest.mark.parametrize("frames", [1, 4])
@pytest.mark.parametrize("where", ["a frame", "a band of each", "everything"])
def test_whatever_is_hidden_can_be_completed(monkeypatch: pytest.MonkeyPatch, frames: int, where: str) -> None:
    net, bands, seen = system(), nothing_hidden(2, frames), clips(2, frames)
    if where == "a frame":
        bands[1, -1] = True
    elif where == "a band of each":
        bands[..., 1] = True
    else:
        bands[:] = True
    say(monkeypatch, bands)
    before = seen.clone()
    completed = net.complete(seen)
    assert torch.equal(seen, before) and completed.isfinite().all()
    rows = bands[..., torch.arange(64) * 3 // 64][:, :, None, :, None].expand_as(seen)
    assert torch.equal(completed[~rows], seen[~rows])
    assert (completed[rows] != seen[rows]).float().mean() > 0.99
    assert net.features(seen).isfinite().all()


def test_drawn_bands_are_those_of_stcnet_between_clear_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    net, bands = system(replace(SMALL, stcnet=STCnetConfig(size=(64, 32), width=4))), nothing_hidden(1)
    bands[0, 1, 0], bands[0, 2, 1] = True, True
    say(monkeypatch, bands)
    seen = clips(1)
    asked: list[tuple[Windows, Tensor]] = []
    forward = STCnet.forward

    def spied(self: STCnet, windows: Windows, mask: Tensor) -> tuple[Tensor, Tensor]:
        first, second = forward(self, windows, mask)
        asked.append((windows, second))
        return first, second

    monkeypatch.setattr(STCnet, "forward", spied)
    completed = net.complete(seen)
    ((windows, second),) = asked
    frames = signed(seen[0], (64, 32))
    for given, wanted in (("frames", [1, 2]), ("previous", [0, 0]), ("following", [3, 3])):
        assert torch.equal(getattr(windows, given), frames[wanted])
    assert windows.known.all()
    torch.testing.assert_close(signed(completed[0, 1:3], (64, 32)), second)


def test_what_stcnet_learns_from_are_clear_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    net, bands, seen = system(), nothing_hidden(), clips()
    bands[0, 1, 2], bands[1, 1:, 0] = True, True
    say(monkeypatch, bands)
    windows, person = completer(net).windows(batch_of(seen))
    frames = signed(seen.flatten(0, 1), (32, 16)).view(2, 4, 3, 32, 16)
    assert person.tolist() == [0, 0, 0, 1]
    assert torch.equal(windows.frames, torch.cat([frames[0, [0, 2, 3]], frames[1, :1]]))
    assert windows.known.tolist() == [True, True, True, False]
    assert torch.equal(windows.previous[:3], frames[0, [2, 0, 2]])
    assert torch.equal(windows.following[:3], frames[0, [2, 3, 2]])
    say(monkeypatch, ~nothing_hidden())
    assert completer(net).windows(batch_of(seen))[0].frames.shape == (0, 3, 32, 16)


def test_stcnet_learns_with_the_base_net_as_its_guide() -> None:
    net, base, stcnet = system(), system(replace(OFF, non_local=False)), STCnet(SMALL.stcnet)
    completer(net).locator.load_state_dict(base.net.state_dict())
    heads = stcnet.training_heads(Guider(base.net, base.training_heads(2), (64, 32))).train()
    windows, person = completer(net).windows(batch_of(clips()))
    assert len(person) > 0
    torch.autograd.backward(torch.stack(list(stcnet.losses(windows, person, heads).values())).sum())
    assert all(p.grad is not None and p.grad.any() for p in stcnet.parameters())
    assert all(p.grad is None for p in heads.guider.parameters())
    completer(net).stcnet.load_state_dict(stcnet.state_dict())


def test_losses_are_plain_cross_entropy_and_reach_every_parameter() -> None:
    net = system().train()
    wake(net)
    heads, batch = net.training_heads(3), batch_of(clips())
    assert not completer(net).training and not any(each.training for each in completer(net).modules())
    before = {key: value.clone() for key, value in completer(net).state_dict().items()}
    losses = net.losses(batch, heads)
    assert set(losses) == {"identity"}
    torch.autograd.backward(losses["identity"])
    for name, parameter in [*net.net.named_parameters(), *heads.named_parameters()]:
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
    assert all(not p.requires_grad and p.grad is None for p in completer(net).parameters())
    assert all(torch.equal(value, before[key]) for key, value in completer(net).state_dict().items())
    net.eval()
    logits = heads(net.net(batch.clips))
    wanted = -sum(logits[b].log_softmax(0)[b] for b in range(2)) / 2
    torch.testing.assert_close(net.losses(batch, heads)["identity"], wanted)


@pytest.mark.parametrize("completion", ["off", "features"])
def test_training_takes_clips_as_they_are(
    monkeypatch: pytest.MonkeyPatch, completion: Literal["off", "features"]
) -> None:
    """What is hidden in its data was drawn anew before."""
    net, bands = system(replace(SMALL, completion=completion)), nothing_hidden()
    bands[:, 1, 0] = True
    say(monkeypatch, bands)
    heads, batch = net.training_heads(3), batch_of(clips())
    loss = net.losses(batch, heads)["identity"]
    assert torch.equal(loss, F.cross_entropy(heads(net.net(batch.clips)), batch.person))
    assert torch.equal(net.features(batch.clips), net.net(batch.clips)) == (completion == "off")


def test_a_fence_leaves_out_what_is_far_below_the_rest() -> None:
    scores = torch.normal(0.8, 0.05, (4000,), generator=seeded(1))
    alone = lower_fence(scores)
    assert (scores < alone).float().mean() < 0.01
    strange = torch.full((1000,), 0.3)  # a fifth of all, which would pull Tukey's own fence below itself
    fence = lower_fence(torch.cat([scores, strange]).view(-1, 5))
    assert (scores < fence).float().mean() < 0.02 and (strange < fence).all()
    assert lower_fence(torch.ones(3)) == 1  # nothing is below


def test_a_measured_fence_travels_with_the_weights_and_a_number_with_the_settings(tmp_path: Path) -> None:
    settings = TINY["vrstc"] | {"threshold": "fence"}
    networks = [drawn_system(system_config("vrstc", settings), seed).eval() for seed in (1, 2)]
    first, second = (completer(each.system) for each in networks if isinstance(each.system, VRSTC))
    assert not second.hidden(torch.full((1, 1, BANDS), -1.0)).any()  # not measured yet
    first.threshold.fill_(0.4321)
    save_weights(tmp_path / "weights.safetensors", networks[0], UNTRAINED, half=True)
    fill(networks[1], load_weights(tmp_path / "weights.safetensors").tensors, tmp_path)
    assert torch.equal(second.threshold, torch.tensor(0.4321))
    assert second.hidden(torch.tensor([0.43, 0.4321, 0.44])).tolist() == [True, False, False]
    assert "threshold" not in completer(system()).state_dict() and float(
        completer(system()).threshold
    ) == pytest.approx(0.89)


def test_pixels_come_back_from_what_trunks_are_fed() -> None:
    pixels = torch.randint(0, 256, (2, 8, 4, 3), dtype=torch.uint8, generator=seeded(1))
    assert torch.equal(as_pixels(ImagenetPixels()(pixels.permute(0, 3, 1, 2))), pixels)
    assert as_pixels(torch.full((1, 3, 2, 2), 9.0)).min() == 255


def test_under_autocast_features_are_float32() -> None:
    net = system()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features = net.features(clips())
    assert features.dtype == torch.float32 and features.isfinite().all()


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="leaves nothing to complete with"):
        system(OFF).complete(clips())
    for bad in (torch.zeros(2, 0, 3, 64, 32), torch.zeros(2, 4, 3, 32, 64), torch.zeros(2, 3, 64, 32)):
        with pytest.raises(ValueError, match="resize the frames"):
            system(OFF).features(bad)


def test_the_paper_s_size(monkeypatch: pytest.MonkeyPatch) -> None:
    config = VRSTCConfig()
    net = system(config).train()
    places = [name for name, each in net.net.named_modules() if isinstance(each, NonLocal)]
    assert [name.rpartition(".")[2] for name in places] == ["2-1", "2-3", "3-1", "3-3", "3-5"]  # 2 in res3, 3 in res4
    bands, seen = nothing_hidden(1, 2), clips(1, 2, config)
    bands[0, 1, 1] = True
    say(monkeypatch, bands)
    wake(net)
    heads = net.training_heads(625)
    torch.autograd.backward(net.losses(batch_of(seen), heads)["identity"])
    for name, parameter in [*net.net.named_parameters(), *heads.named_parameters()]:
        assert parameter.grad is not None and parameter.grad.any(), name
    net.eval()
    with torch.no_grad():
        assert net.net.maps(seen).shape == (1, 2, 2048, 16, 8)
        assert net.features(seen).shape == (1, 2048)
