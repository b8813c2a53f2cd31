"""How large a trunk's maps are: layers that look at a whole map at once have to know it when they are built."""

import copy

import torch

from model.layers.frame_trunk import FrameTrunk


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
