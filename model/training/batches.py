"""What every task does to draw a batch: pure functions of step and seed, so that a resumed run goes on as it began."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.data.augment import AugmentPlan, augment
from model.data.pack import PixelRows
from model.data.samplers import Draw
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


def two_frames(draw: Draw, rng: np.random.Generator) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """An anchor frame of each clip and another one (the same where there is no other): places among the F frames."""
    lengths = draw.mask.sum(axis=1)
    first = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    anchor = (rng.random(len(lengths)) * lengths).astype(np.int64)
    step = 1 + (rng.random(len(lengths)) * (lengths - 1)).astype(np.int64)
    return first + anchor, first + (anchor + np.where(lengths > 1, step, 0)) % lengths
