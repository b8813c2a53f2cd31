"""What a trained network costs: its parameters, and the time for a clip."""

from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from model.encoder import Encoder
from model.weights import load_weights

CLIPS = 9  # timed; the median counts
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")  # of batch norm: not learnt


def parameters(weights: Path) -> int:
    """How many numbers of a weights file are learnt. Raises WeightsMismatch."""
    tensors = load_weights(weights).tensors
    return sum(tensor.numel() for name, tensor in tensors.items() if not name.endswith(STATISTICS))


def clip_ms(encoder: Encoder) -> float:
    """Milliseconds for one clip of T frames, alone in its batch: the median of several, after one that is not timed."""
    sampling = encoder.card.sampling
    shape = (1, sampling.frames, sampling.height, sampling.width, 3)
    clip = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    mask = np.ones(shape[:2], np.bool_)
    times = []
    for _ in range(1 + CLIPS):
        start = perf_counter()
        encoder.encode(clip, mask)
        times.append(1000 * (perf_counter() - start))
    return median(times[1:])
