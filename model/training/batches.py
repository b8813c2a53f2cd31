"""What every task does to draw a batch: pure functions of step and seed, so that a resumed run goes on as it began."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.data.augment import AugmentPlan, augment
from model.data.pack import PixelRows
from model.training.distributed import rank, world_size


def batch_number(step: int, micro: int, accumulate: int) -> int:
    """Counts the batches of a run over steps, the parts of an accumulated step, and processes: none is drawn twice."""
    return (step * accumulate + micro) * world_size() + rank()


def batch_seed(seed: int, number: int) -> int:
    """What decides all that happens by chance in the batch of that number, of a run with that seed."""
    return seed * 1_000_003 + number


def pictures_at(pixels: PixelRows, rows: npt.NDArray[np.int64], device: str) -> Tensor:
    """Pictures of a pack as they are: (F, 3, H, W), uint8."""
    return torch.from_numpy(pixels[rows]).to(device).permute(0, 3, 1, 2)


def augmented(frames: Tensor, clip: Tensor, plan: AugmentPlan, seed: int) -> Tensor:
    """Frames (F, 3, H, W) changed as `model.data.augment.augment` does, by chance from `seed`; float32, 0-255."""
    return augment(frames, clip, plan, torch.Generator().manual_seed(seed)).frames
