"""M3D: two streams that begin as one trunk, and what of a clip they notice."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from model.layers.frame_trunk import TrunkName
from model.systems.m3d import M3D, M3DConfig
from model.systems.system import Batch
from tests.systems.learning import settle, wake, without_gradient

SMALL = M3DConfig(trunk="mobilenetv2", height=64, width=32)


def system(config: M3DConfig = SMALL) -> M3D:
    torch.manual_seed(0)
    return M3D(config)


def awake(config: M3DConfig = SMALL) -> M3D:
    net = system(config)
    wake(net)
    return net


def clips(batch: int, frames: int, config: M3DConfig = SMALL) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, frames, 3, config.height, config.width, generator=generator)


def batch_of(shown: Tensor, *persons: int) -> Batch:
    person = torch.tensor(persons)
    return Batch(shown, person=person, track=torch.arange(len(person)), camera=torch.zeros_like(person))


@pytest.mark.parametrize("frames", [1, 2, 9])
def test_clips_of_any_length_give_two_unit_vectors(frames: int) -> None:
    net = awake().eval()
    with torch.no_grad():
        features = net.features(clips(2, frames))
    assert features.shape == (2, net.dimension) == (2, 640)
    torch.testing.assert_close(features.view(2, 2, -1).norm(dim=2), torch.ones(2, 2))
    assert (net.frames, net.fixed) == (8, False)


@pytest.mark.parametrize("trunk", ["resnet18", "resnet50", "seresnet50", "inception_v3"])
def test_every_trunk_works(trunk: TrunkName) -> None:
    height, width = (139, 107) if trunk == "inception_v3" else (64, 32)
    net = system(M3DConfig(trunk=trunk, height=height, width=width)).eval()
    with torch.no_grad():
        assert net.features(clips(1, 2, net.config)).shape == (1, 2 * net.trunk.channels[-1])


@pytest.mark.parametrize("trunk", ["mobilenetv2", "resnet18"])
def test_at_first_a_trunk_s_weights_give_exactly_what_the_trunk_gives(trunk: TrunkName) -> None:
    net = system(M3DConfig(trunk=trunk, height=64, width=32)).eval()
    net.spatial.load_state_dict(net.trunk.state_dict())
    shown = clips(2, 3)
    with torch.no_grad():
        over_time, spatial = net.features(shown).chunk(2, dim=1)
        assert torch.equal(over_time, spatial)
        alone = net.trunk(shown.flatten(0, 1)).mean(dim=(2, 3)).view(2, 3, -1).mean(dim=1)
        torch.testing.assert_close(over_time, F.normalize(alone, dim=1))


def test_the_order_of_frames_counts_for_the_stream_over_time_once_trained() -> None:
    fresh, trained, shown = system(), awake(), clips(1, 5)
    for net in (fresh, trained):
        settle(net, shown)
    with torch.no_grad():
        torch.testing.assert_close(fresh.features(shown), fresh.features(shown.flip(1)))
        (over_time, spatial), (turned, spatial_turned) = (
            trained.features(seen).chunk(2, dim=1) for seen in (shown, shown.flip(1))
        )
    assert not torch.allclose(over_time, turned, rtol=1e-2)
    torch.testing.assert_close(spatial, spatial_turned, rtol=1e-4, atol=1e-5)


def test_clips_of_a_batch_do_not_see_one_another() -> None:
    net, shown = awake(), clips(3, 4)
    settle(net, shown)
    with torch.no_grad():
        torch.testing.assert_close(net.features(shown)[1:2], net.features(shown[1:2]), rtol=1e-4, atol=1e-5)


def test_losses_are_a_cross_entropy_for_each_stream() -> None:
    net, shown = awake().eval(), clips(3, 2)
    heads, batch = net.training_heads(4), batch_of(shown, 0, 1, 1)
    with torch.no_grad():
        got = net.losses(batch, heads)
        spatial = net.spatial(shown.flatten(0, 1)).mean(dim=(2, 3)).view(3, 2, -1).mean(dim=1)
        want = F.cross_entropy(heads.get_submodule("spatial")(spatial), batch.person)
    assert got.keys() == {"temporal", "spatial"}
    torch.testing.assert_close(got["spatial"], want)


def test_every_parameter_learns_and_losses_are_float32_under_autocast() -> None:
    net = awake()
    heads = net.training_heads(2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = net.losses(batch_of(clips(3, 4), 0, 0, 1), heads)
    assert all(term.ndim == 0 and term.dtype == torch.float32 for term in terms.values())
    torch.autograd.backward(torch.stack([*terms.values()]).sum())
    assert without_gradient(net, heads) == []


def test_a_fresh_one_learns_over_time_at_once() -> None:
    net = system()
    terms = net.losses(batch_of(clips(2, 4), 0, 1), net.training_heads(2))
    torch.autograd.backward(terms["temporal"])
    silent = without_gradient(net.over_time)
    # Before a mask of 0 nothing has a gradient at first; its bias scales a whole map, which a batch norm undoes.
    assert silent and all("reduce" in name or name.endswith("mask.bias") for name in silent)


def test_at_resnet_50_s_size() -> None:
    net = awake(M3DConfig())
    heads, shown = net.training_heads(625), clips(1, 4, net.config)
    terms = net.losses(batch_of(shown, 3), heads)
    torch.autograd.backward(torch.stack([*terms.values()]).sum())
    assert without_gradient(net, heads) == []
    with torch.no_grad():
        assert net.eval().features(shown[:, :1]).shape == (1, 4096)
    widths = (256, 512, 1024)
    scales = sum(3 * 3 * width**2 for width in widths)
    masks = sum(width * (width // 16) + width // 16 + 27 * (width // 16) + 1 for width in widths)
    assert sum(parameter.numel() for parameter in net.over_time.parameters()) == scales + masks


def test_layers_may_stand_after_any_block() -> None:
    net = awake(M3DConfig(trunk="mobilenetv2", height=64, width=32, blocks=(1, 5), dilations=(2,))).eval()
    with torch.no_grad():
        assert net.features(clips(1, 3)).shape == (1, 640)


@pytest.mark.parametrize("blocks", [(), (0, 2), (6,)])
def test_blocks_that_are_not_there_are_refused(blocks: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="blocks 1 to 5"):
        M3DConfig(blocks=blocks)


@pytest.mark.parametrize("shape", [(1, 2, 3, 32, 64), (1, 0, 3, 64, 32), (2, 3, 64, 32)])
def test_what_are_no_clips_of_its_size_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"3, 64, 32.*resize the frames"):
        system().features(torch.zeros(shape))
