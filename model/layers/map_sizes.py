"""How large a trunk's maps are: layers that look at a whole map at once have to know it when they are built."""

import copy

import torch

from model.layers.frame_trunk import FrameTrunk, TrunkName

INCEPTION_STRIDES = (2, 1, 2, 1, 2, 2, 2)  # of its layers of 3 x 3 without padding


def map_sizes(trunk: FrameTrunk, height: int, width: int) -> tuple[tuple[int, int], ...]:
    """(h, w) after each of the five stages, for frames of height x width pixels.

    Asked of the trunk itself, with tensors that have a shape and no numbers: not every trunk pads, so the strides
    alone do not tell.
    """
    blank = copy.deepcopy(trunk).to("meta").eval()
    frames = torch.empty(1, 3, height, width, device="meta")
    sizes = []
    for stage in blank.stages:
        frames = stage(frames)
        sizes.append((frames.shape[2], frames.shape[3]))
    return tuple(sizes)


def last_rows(trunk: TrunkName, last_stride: int, height: int) -> int:
    """Rows of the last map for frames of `height` pixels, told without building the trunk; columns go by the same."""
    if trunk == "inception_v3":
        for stride in INCEPTION_STRIDES:
            height = (height - 3) // stride + 1
        return height
    # All others halve five times and round up; but for the older network's pooling, the second, which rounds down.
    for halving in range(5 if last_stride == 2 else 4):
        down = trunk == "legacy_seresnet50" and halving == 1
        height = height // 2 if down else -(-height // 2)
    return height
