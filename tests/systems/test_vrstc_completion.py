"""VRSTC: occluded bands found and drawn anew, and what STCnet learns from."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from model.layers.imagenet_pixels import ImagenetPixels
from model.layers.occlusion import BANDS, lower_fence
from model.layers.signed_pixels import as_pixels, signed
from model.systems.config import system_config
from model.systems.encoder import drawn_system
from model.systems.stcnet import STCnet, STCnetConfig, Windows
from model.systems.vrstc import VRSTC, Guider
from model.vills.config import IMAGENET_MEAN, IMAGENET_STD
from model.weights import UNTRAINED, fill, load_weights, save_weights
from tests.losses.literal import seeded
from tests.systems.small_vrstc import OFF, SMALL, clips, completer, nothing_hidden, say, system
from tests.systems.tiny import TINY


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


def test_what_stcnet_learns_from_are_clear_frames() -> None:
    net, clear, seen = system(), torch.ones(2, 4, dtype=torch.bool), clips()
    clear[0, 1], clear[1, 1:] = False, False
    windows = completer(net).windows(seen, clear)
    frames = signed(seen.flatten(0, 1), (32, 16)).view(2, 4, 3, 32, 16)
    assert torch.equal(windows.frames, torch.cat([frames[0, [0, 2, 3]], frames[1, :1]]))
    assert windows.known.tolist() == [True, True, True, False]
    assert torch.equal(windows.previous[:3], frames[0, [2, 0, 2]])
    assert torch.equal(windows.following[:3], frames[0, [2, 3, 2]])
    assert completer(net).windows(seen, torch.zeros_like(clear)).frames.shape == (0, 3, 32, 16)


def test_stcnet_learns_with_the_base_net_as_its_guide() -> None:
    net, base, stcnet = system(), system(replace(OFF, non_local=False)), STCnet(SMALL.stcnet)
    completer(net).locator.load_state_dict(base.net.state_dict())
    heads = stcnet.training_heads(Guider(base.net, base.training_heads(2), (64, 32))).train()
    windows = completer(net).windows(clips(), torch.ones(2, 4, dtype=torch.bool))
    person = torch.tensor([0, 1]).repeat_interleave(4)
    torch.autograd.backward(torch.stack(list(stcnet.losses(windows, person, heads).values())).sum())
    assert all(p.grad is not None and p.grad.any() for p in stcnet.parameters())
    assert all(p.grad is None for p in heads.guider.parameters())
    completer(net).stcnet.load_state_dict(stcnet.state_dict())


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
