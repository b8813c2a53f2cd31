"""Non-local blocks in trunks: where they stand, and what a fresh and a trained one do."""

import pytest
import torch
from torch import Tensor, nn

from model.layers.frame_trunk import FrameTrunk, TrunkName
from model.layers.non_local import NonLocal
from model.layers.non_local_trunk import NonLocalTrunk

PLACES: dict[TrunkName, dict[str, int]] = {
    # In res3 (stage 2 from 0) after residual blocks 2 and 4, in res4 after 2, 4, 6.
    "resnet50": {"2-1": 512, "2-3": 512, "3-1": 1024, "3-3": 1024, "3-5": 1024},
    "seresnet50": {"2-1": 512, "2-3": 512, "3-1": 1024, "3-3": 1024, "3-5": 1024},
    "resnet18": {"2-1": 128, "3-1": 256},
    "mobilenetv2": {"2-1": 32, "3-1": 64, "3-3": 64, "3-5": 96},
    "inception_v3": {"2-1": 288, "3-1": 768, "3-3": 768},
}


def wake(module: nn.Module) -> None:
    for block in module.modules():
        if isinstance(block, NonLocal):
            nn.init.ones_(block.norm.weight)


@pytest.mark.parametrize("name", PLACES)
def test_blocks_stand_after_every_other_block_of_the_middle_stages(name: TrunkName) -> None:
    trunk = NonLocalTrunk(FrameTrunk(name, last_stride=2))
    found = {place: block.theta.in_channels for place, block in trunk.blocks.items() if isinstance(block, NonLocal)}
    assert found == PLACES[name]


@pytest.mark.parametrize(
    ("name", "size"), [("resnet18", (64, 32)), ("mobilenetv2", (64, 32)), ("inception_v3", (75, 75))]
)
def test_a_fresh_one_is_its_trunk_frame_by_frame(name: TrunkName, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    whole = NonLocalTrunk(FrameTrunk(name, last_stride=2)).eval()
    clips = torch.randn(2, 3, 3, *size)
    with torch.no_grad():
        alone: Tensor = whole.trunk(clips.flatten(0, 1))
        maps = whole(clips)
    assert maps.shape[:3] == (2, 3, whole.channels)
    torch.testing.assert_close(maps.flatten(0, 1), alone)


def test_frames_of_a_clip_look_at_one_another_in_any_order_and_those_of_others_do_not() -> None:
    torch.manual_seed(1)
    trunk = NonLocalTrunk(FrameTrunk("resnet18")).double().eval()
    wake(trunk)
    clips, order = torch.randn(2, 4, 3, 64, 32, dtype=torch.float64), torch.tensor([2, 0, 3, 1])
    other = clips.clone()
    other[0, 3] += 1
    with torch.no_grad():
        maps, turned, changed = trunk(clips), trunk(clips[:, order]), trunk(other)
    torch.testing.assert_close(turned, maps[:, order])
    assert not torch.allclose(changed[0, 0], maps[0, 0], rtol=1e-3, atol=0)
    torch.testing.assert_close(changed[1], maps[1])
