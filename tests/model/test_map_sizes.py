"""The sizes of maps, told without computing one."""

from typing import get_args

import pytest
import torch

from model.layers.frame_trunk import FrameTrunk, TrunkName
from model.layers.map_sizes import map_sizes


@pytest.mark.parametrize("name", get_args(TrunkName))
@pytest.mark.parametrize("size", [(128, 64), (150, 139)])
def test_are_those_of_real_maps(name: TrunkName, size: tuple[int, int]) -> None:
    trunk = FrameTrunk(name, last_stride=2).eval()
    if name == "inception_v3":
        size = (150, 139)  # it pads nothing: 64 columns would be none in the end
    frames, sizes = torch.zeros(1, 3, *size), []
    with torch.inference_mode():
        for stage in trunk.stages:
            frames = stage(frames)
            sizes.append(tuple(frames.shape[2:]))
    assert list(map_sizes(trunk, *size)) == sizes


def test_are_the_paper_s() -> None:
    assert map_sizes(FrameTrunk("resnet50", last_stride=1), 256, 128)[3:] == ((16, 8), (16, 8))
    assert map_sizes(FrameTrunk("resnet50", last_stride=2), 256, 128)[3:] == ((16, 8), (8, 4))


def test_leave_the_trunk_and_the_dice_as_they_are() -> None:
    trunk = FrameTrunk("resnet18")
    before, dice = {key: value.clone() for key, value in trunk.state_dict().items()}, torch.get_rng_state()
    map_sizes(trunk, 64, 32)
    assert trunk.training
    assert all(torch.equal(value, before[key]) for key, value in trunk.state_dict().items())
    assert torch.equal(torch.get_rng_state(), dice)
