"""VRSTC's ReID net: what it sees, what it learns by, and where it begins."""

from dataclasses import replace
from typing import Literal

import pytest
import torch
import torch.nn.functional as F

from model.layers.frame_trunk import FrameTrunk, TrunkName
from model.layers.non_local import NonLocal
from model.layers.non_local_trunk import NonLocalTrunk
from model.systems.vrstc import VRSTCConfig
from tests.systems.small_vrstc import OFF, SMALL, batch_of, clips, completer, nothing_hidden, say, system, wake


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


def test_the_net_has_no_order_of_frames() -> None:
    net = system(OFF)
    wake(net)
    seen = clips()
    torch.testing.assert_close(net.features(seen), net.features(seen.flip(1)), rtol=1e-4, atol=1e-5)


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
