"""STMP: what it gives, what it learns by, and what of a clip it notices."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import inception_v3

from model.layers.frame_trunk import TrunkName
from model.losses.batch_hard import batch_hard_triplet
from model.systems.stmp import STMP, STMPConfig, STMPHeads
from model.systems.system import Batch
from tests.systems.learning import assert_short_clips_begin_again, settle, wake, without_gradient

SMALL = STMPConfig(
    trunk="mobilenetv2",
    last_stride=1,
    height=64,
    width=32,
    gate_channels=8,
    dimension=16,
    classifier_hidden=12,
    short="as they are",
)


def system(config: STMPConfig = SMALL) -> STMP:
    torch.manual_seed(0)
    net = STMP(config)
    wake(net)
    return net


def clips(batch: int, frames: int, config: STMPConfig = SMALL, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, frames, 3, config.height, config.width, generator=generator)


def batch_of(shown: Tensor, *persons: int) -> Batch:
    person = torch.tensor(persons)
    return Batch(shown, person=person, track=torch.arange(len(person)), camera=torch.zeros_like(person))


@pytest.mark.parametrize("frames", [1, 3])
def test_clips_of_any_length_give_a_vector_and_one_for_each_row_of_the_map(frames: int) -> None:
    net = system().eval()
    with torch.no_grad():
        shown = clips(2, frames)
        assert net.features(shown).shape == (2, net.dimension) == (2, 16)
        assert net.parts(shown).shape == (2, 4, 320)
    assert (net.frames, net.fixed) == (8, False)


@pytest.mark.parametrize("trunk", ["resnet18", "resnet50", "seresnet50", "inception_v3"])
def test_every_trunk_works(trunk: TrunkName) -> None:
    height, width = (139, 107) if trunk == "inception_v3" else (64, 32)
    config = STMPConfig(trunk=trunk, height=height, width=width, gate_channels=8, dimension=16)
    with torch.no_grad():
        assert system(config).eval().features(clips(1, 2, config)).shape == (1, 16)


def test_losses_are_those_of_the_paper() -> None:
    net, shown = system().eval(), clips(4, 2)
    batch, heads = batch_of(shown, 0, 0, 1, 1), net.training_heads(3).eval()
    with torch.no_grad():
        got = net.losses(batch, heads)
        video, parts = net.features(shown), net.parts(shown)
        want = {
            "identity": F.cross_entropy(heads.get_submodule("identity")(video), batch.person),
            "triplet": batch_hard_triplet(video, batch.person, margin=0.4),
            "parts": sum(batch_hard_triplet(parts[:, row], batch.person, margin=0.4) for row in range(4)) / 4,
        }
        stage4 = nn.Sequential(*net.trunk.stages[:4])
        linear = heads.get_submodule("auxiliary.2")
        logits = [linear(stage4(clip).mean(dim=(0, 2, 3))) for clip in shown]  # one answer a clip
        want["auxiliary"] = F.cross_entropy(torch.stack(logits), batch.person)
    assert got.keys() == want.keys()
    for name, value in want.items():
        torch.testing.assert_close(got[name], value)


def test_parts_are_rows_from_the_top_down() -> None:
    """A map that is changed in one row changes one part, once the memory has it: the first frame's, unrefined."""
    net = system().eval()
    maps = torch.rand(1, 1, 320, 4, 2)
    changed = maps.clone()
    changed[..., 1, :] += 1

    class Fixed(nn.Module):
        def __init__(self, value: Tensor) -> None:
            super().__init__()
            self.value = value

        def forward(self, x: Tensor) -> Tensor:
            return self.value[0]

    read = []
    for value in (maps, changed):
        net.trunk.stages[4] = Fixed(value)
        with torch.no_grad():
            read.append(net.parts(clips(1, 1)))
    moved = (read[1] - read[0])[0].mean(dim=1)
    torch.testing.assert_close(moved, torch.tensor([0.0, 1.0, 0.0, 0.0]))


def test_the_order_of_frames_counts_and_copies_of_a_frame_refine_to_it() -> None:
    net, shown = system(), clips(1, 4)
    settle(net, shown)
    with torch.no_grad():
        assert not torch.allclose(net.features(shown), net.features(shown.flip(1)), rtol=1e-2)
        still = shown[:, :1]
        torch.testing.assert_close(net.parts(still.expand(-1, 5, -1, -1, -1)), net.parts(still), rtol=0, atol=1e-3)


def test_a_short_clip_begins_again_and_a_longer_one_is_taken_as_it_is() -> None:
    """Bug: to a convolution that sees zeros beyond a clip a picture was another thing than a clip of its person."""
    as_they_are, again = system(replace(SMALL, frames=4)).eval(), system(replace(SMALL, frames=4, short="again")).eval()
    again.load_state_dict(as_they_are.state_dict())
    assert_short_clips_begin_again(as_they_are, again, clips(2, 5))


def test_every_parameter_learns_and_losses_are_float32_under_autocast() -> None:
    net = system()
    heads = net.training_heads(2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = net.losses(batch_of(clips(4, 3), 0, 0, 1, 1), heads)
    assert all(term.ndim == 0 and term.dtype == torch.float32 for term in terms.values())
    torch.autograd.backward(torch.stack([*terms.values()]).sum())
    assert without_gradient(net, heads) == []


def test_the_refining_unit_learns_from_the_parts_alone() -> None:
    net = system()
    torch.autograd.backward(net.losses(batch_of(clips(4, 3), 0, 0, 1, 1), net.training_heads(2))["parts"])
    assert without_gradient(net.refine) == []


def test_at_the_paper_s_own_size() -> None:
    net = system(STMPConfig(frames=2))
    heads = net.training_heads(625)
    maps: list[torch.Size] = []
    for module in (net.refine, heads.get_submodule("auxiliary")):
        module.register_forward_hook(lambda _, arguments, __: maps.append(arguments[0].shape))
    shown = clips(2, 2, net.config)
    terms = net.losses(batch_of(shown, 0, 1), heads)
    torch.autograd.backward(torch.stack([*terms.values()]).sum())
    assert without_gradient(net, heads) == []
    with torch.no_grad():
        net.eval()
        assert net.features(shown[:1]).shape == (1, 256)
        assert net.parts(shown[:1]).shape == (1, 8, 2048)
    assert maps[:2] == [(2, 2, 2048, 8, 8), (2, 768, 17, 17)]


def test_inception_s_auxiliary_branch_is_its_own() -> None:
    """Mean pooling, then two convolutions with norms, to 128 and 768 channels: as in the published file."""
    branch = STMPHeads(STMPConfig(), 768, (17, 17), n_persons=625).auxiliary
    published = inception_v3(weights=None, init_weights=False).get_submodule("AuxLogits").state_dict()
    shapes = {name: tensor.shape for name, tensor in published.items() if not name.startswith("fc.")}
    own = {name: tensor.shape for name, tensor in branch.state_dict().items()}
    assert own == shapes | {"fc.weight": (625, 768), "fc.bias": (625,)}


def test_the_classifier_begins_as_the_program_draws_it() -> None:
    torch.manual_seed(0)
    identity = STMPHeads(STMPConfig(), 768, (17, 17), n_persons=625).identity.requires_grad_(False)
    drawn = dict(identity.named_parameters())
    assert drawn.keys() == {"0.weight", "1.weight", "1.bias", "4.weight", "4.bias"}
    assert float(drawn["0.weight"].std()) == pytest.approx((2 / 512) ** 0.5, rel=0.02)
    assert float(drawn["1.weight"].std()) == pytest.approx(0.02, rel=0.15)
    assert float(drawn["1.weight"].mean()) == pytest.approx(1, abs=0.01)
    assert float(drawn["4.weight"].std()) == pytest.approx(0.001, rel=0.02)
    assert not drawn["1.bias"].any() and not drawn["4.bias"].any()


def test_the_video_head_ends_in_a_relu_and_its_size_is_a_norm_s() -> None:
    net, shown = system().train(), clips(4, 3)
    with torch.no_grad():
        before = net.features(shown)
        first = net.video[0]
        assert isinstance(first, nn.Conv3d)
        first.weight *= 2
        torch.testing.assert_close(net.features(shown), before, rtol=1e-3, atol=1e-3)
    assert bool((before >= 0).all())


def test_on_resnet_50_at_256_x_128() -> None:
    net = system(STMPConfig(trunk="resnet50", last_stride=1, height=256, width=128))
    heads = net.training_heads(625)
    terms = net.losses(batch_of(clips(2, 2, net.config), 0, 1), heads)
    torch.autograd.backward(torch.stack([*terms.values()]).sum())
    assert without_gradient(net, heads) == []


@pytest.mark.parametrize("shape", [(1, 2, 3, 32, 64), (1, 0, 3, 64, 32), (2, 3, 64, 32)])
def test_what_are_no_clips_of_its_size_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"3, 64, 32.*resize the frames"):
        system().features(torch.zeros(shape))
