"""STCnet: what it draws, what it may not see, and both sides of its training."""

import math

import pytest
import torch
from torch import Tensor, nn

from model.layers.occlusion import BANDS, band_mask
from model.systems.stcnet import Discriminator, STCnet, STCnetConfig, STCnetHeads, TemporalGenerator, Windows
from tests.losses.literal import seeded

SMALL = STCnetConfig(size=(64, 32), width=4)
PERSONS = 5


def small(seed: int = 0, config: STCnetConfig = SMALL) -> tuple[STCnet, STCnetHeads]:
    torch.manual_seed(seed)
    net = STCnet(config)
    guider = nn.Sequential(nn.Conv2d(3, 4, 8, stride=8), nn.BatchNorm2d(4), nn.Flatten(), nn.LazyLinear(PERSONS))
    guider(torch.zeros(2, 3, *config.size))
    return net, net.training_heads(guider)


def windows(frames: int = 3, config: STCnetConfig = SMALL, known: bool = True) -> Windows:
    g = seeded(frames)
    x, p, n = (torch.rand(frames, 3, *config.size, generator=g) * 2 - 1 for _ in range(3))
    return Windows(x, p, n, torch.full((frames,), known))


def bands(*chosen: int) -> Tensor:
    """A mask for one band of each frame."""
    return band_mask(torch.eye(BANDS, dtype=torch.bool)[list(chosen)], SMALL.size[0])


def test_draws_the_dropped_region_and_nothing_else() -> None:
    net, _ = small()
    seen, mask = windows(), bands(0, 1, 2)
    for made in net(seen, mask):
        assert made.shape == seen.frames.shape
        assert torch.equal(made.masked_fill(mask, 0), seen.frames.masked_fill(mask, 0))
        assert made.abs().max() <= 1
        assert not torch.isclose(made, seen.frames)[mask.expand_as(made)].all()


def test_never_sees_what_was_dropped() -> None:
    net, _ = small()
    seen, mask = windows(), bands(0, 1, 2)
    other = Windows(torch.where(mask, 0.5, seen.frames), seen.previous, seen.following, seen.known)
    for one, two in zip(net(seen, mask), net(other, mask), strict=True):
        assert torch.equal(one, two)


def test_only_the_second_picture_hangs_on_the_neighbours_and_on_which_is_which() -> None:
    net, _ = small()
    seen, mask = windows(), bands(0, 1, 2)
    first, second = net(seen, mask)
    swapped = net(Windows(seen.frames, seen.following, seen.previous, seen.known), mask)
    assert torch.equal(first, swapped[0])
    assert not torch.allclose(second, swapped[1], atol=1e-6)


def test_without_neighbours_the_first_picture_stands_in() -> None:
    net, _ = small()
    seen, mask = windows(known=False), bands(0, 1, 2)
    first, second = net(seen, mask)
    assert torch.equal(net(Windows(seen.frames, first, first, ~seen.known), mask)[1], second)
    garbage = Windows(seen.frames, seen.previous * torch.nan, seen.following * torch.nan, seen.known)
    assert torch.equal(net(garbage, mask)[1], second)


def test_a_frame_dropped_as_a_whole_is_drawn() -> None:
    net, _ = small()
    everything = torch.ones(3, 1, 64, 1, dtype=torch.bool)
    first, second = net(windows(), everything)
    assert torch.equal(first[0], first[1])  # there was nothing to tell them apart
    assert second.isfinite().all() and not torch.equal(second[0], second[1])


def test_losses_equal_their_formulas() -> None:
    net, heads = small()
    heads.eval()
    seen, person, band = windows(), torch.tensor([0, 4, 2]), torch.tensor([2, 0, 1])
    with torch.no_grad():
        losses = net.losses(seen, person, heads, band)
        x, mask = seen.frames, bands(2, 0, 1).float()
        x1, x2 = net(seen, mask.bool())
        wanted = dict.fromkeys(losses, 0.0)
        for f in range(3):
            wanted["spatial"] += float((x[f] - x1[f]).abs().mean()) / 3
            wanted["temporal"] += float((x[f] - x2[f]).abs().mean()) / 3
            probabilities = heads.guider(x2)[f].exp() / heads.guider(x2)[f].exp().sum()
            wanted["identity"] -= 0.1 * math.log(probabilities[person[f]]) / 3
            for name, d, real, made in (("whole", heads.whole, x, x2), ("region", heads.region, mask * x, mask * x2)):
                of_real, of_made = (float(torch.sigmoid(d(each[f : f + 1]))) for each in (real, made))
                wanted[f"deceive_{name}"] += 0.001 * math.log(1 - of_made) / 3
                wanted[f"detect_{name}"] -= (math.log(of_real) + math.log(1 - of_made)) / 3
    assert {name: float(loss) for name, loss in losses.items()} == pytest.approx(wanted, rel=1e-4, abs=1e-6)


def test_the_sum_of_a_picture_is_its_mean_times_its_numbers() -> None:
    net, heads = small()
    summing = STCnet(STCnetConfig(size=SMALL.size, width=SMALL.width, norm="sum"))
    summing.load_state_dict(net.state_dict())
    seen, person, band = windows(), torch.tensor([0, 4, 2]), torch.tensor([2, 0, 1])
    mean, total = (each.losses(seen, person, heads, band) for each in (net, summing))
    for name in ("spatial", "temporal"):
        assert total[name].item() == pytest.approx(mean[name].item() * 3 * 64 * 32, rel=1e-5)


def gradients(loss: Tensor, module: nn.Module) -> list[Tensor | None]:
    parameters = [each for each in module.parameters() if each.requires_grad]
    return list(torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True))


def test_one_backward_moves_each_side_by_its_own_terms_only() -> None:
    net, heads = small()
    losses = net.losses(windows(), torch.tensor([0, 4, 2]), heads)
    for name, loss in losses.items():
        of_net, of_heads = gradients(loss, net), gradients(loss, heads)
        if name.startswith("detect"):
            assert all(each is None for each in of_net)
            assert any(each is not None for each in of_heads)
        else:
            assert all(each is None for each in of_heads), name
            assert any(each is not None and each.any() for each in of_net), name
    torch.autograd.backward(torch.stack(list(losses.values())).sum())
    for module in (net, heads.whole, heads.region):
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None and parameter.grad.any(), name
    assert all(parameter.grad is None for parameter in heads.guider.parameters())


def test_the_guider_never_learns() -> None:
    net, heads = small()
    before = {key: value.clone() for key, value in heads.guider.state_dict().items()}
    heads.train()
    net.losses(windows(), torch.tensor([0, 4, 2]), heads)
    assert heads.whole.training and not heads.guider.training
    assert all(torch.equal(value, before[key]) for key, value in heads.guider.state_dict().items())


def test_each_band_is_dropped_of_some_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    net, heads = small()
    masks: list[Tensor] = []
    forward = STCnet.forward

    def spied(self: STCnet, windows: Windows, mask: Tensor) -> tuple[Tensor, Tensor]:
        masks.append(mask)
        return forward(self, windows, mask)

    monkeypatch.setattr(STCnet, "forward", spied)
    net.losses(windows(30), torch.zeros(30, dtype=torch.int64), heads)
    rows = masks[0].flatten(1).float()
    assert torch.unique(rows, dim=0).shape[0] == BANDS
    assert ((rows.sum(1) - 64 / 3).abs() < 1).all()


def test_learns_to_fill_in() -> None:
    net, heads = small()
    seen, person = windows(2), torch.tensor([0, 1])
    seen = Windows(seen.frames * 0 + 0.6, seen.previous * 0 + 0.6, seen.following * 0 + 0.6, seen.known)
    optimizer = torch.optim.Adam([*net.parameters(), *(p for p in heads.parameters() if p.requires_grad)], lr=3e-3)
    drawn = []
    for _ in range(40):
        losses = net.losses(seen, person, heads)
        drawn.append(float((losses["spatial"] + losses["temporal"]).detach()))
        optimizer.zero_grad()
        torch.autograd.backward(torch.stack(list(losses.values())).sum())
        optimizer.step()
    assert sum(drawn[-5:]) < 0.3 * sum(drawn[:5])


def test_under_autocast_the_losses_are_finite_float32() -> None:
    net, heads = small()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = net.losses(windows(), torch.tensor([0, 4, 2]), heads)
    assert all(loss.dtype == torch.float32 and loss.isfinite() for loss in losses.values())


def test_under_autocast_the_smallest_maps_have_finite_gradients() -> None:
    """At 32 x 16 the discriminators' last maps are one pixel: in bfloat16 their gradients were not finite."""
    config = STCnetConfig(size=(32, 16), width=4)
    net, heads = small(config=config)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = net.losses(windows(8, config), torch.arange(8) % PERSONS, heads)
    torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
    trained = [*net.parameters(), *heads.whole.parameters(), *heads.region.parameters()]
    assert all(each.grad is not None and bool(torch.isfinite(each.grad).all()) for each in trained)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"multiples of 4, not \(130, 64\): take \(128, 64\)"):
        STCnetConfig(size=(130, 64))
    net, heads = small()
    with pytest.raises(ValueError, match="skip this batch"):
        net.losses(windows(0), torch.zeros(0, dtype=torch.int64), heads)


def test_the_paper_s_size() -> None:
    """Encoders: five convolutions and four dilated ones. Decoders: two. Discriminators: six and one."""
    config = STCnetConfig()
    net, heads = small(config=config)
    spatial, temporal = net.spatial, net.temporal
    seen = windows(1, config)
    assert spatial.encoder(seen.frames).shape == (1, 256, 32, 16)
    layers = [each for each in spatial.encoder if isinstance(each, nn.Conv2d)]
    assert [each.out_channels for each in layers] == [64, 128, 128, *[256] * 6]
    assert [each.dilation[0] for each in layers] == [*[1] * 5, 2, 4, 8, 16]
    assert sum(isinstance(each, nn.ConvTranspose2d) for each in spatial.decoder) == 2
    assert all(each.kernel_size == (3, 3) for each in net.modules() if isinstance(each, nn.Conv2d | nn.ConvTranspose2d))
    assert sum(isinstance(each, nn.Conv2d) for each in heads.whole.modules()) == 6
    assert heads.whole.out.in_features == 256 * 2 * 1
    assert isinstance(temporal, TemporalGenerator) and isinstance(heads.region, Discriminator)
    torch.autograd.backward(torch.stack(list(net.losses(seen, torch.tensor([1]), heads).values())).sum())
    for module in (net, heads.whole, heads.region):
        assert all(p.grad is not None and p.grad.any() for p in module.parameters())
