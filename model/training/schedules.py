"""Schedules: pure functions of the step, so that a resumed run needs to remember nothing but the step."""

import math
from collections.abc import Sequence


def warmup_cosine(step: int, steps: int, *, warmup: int, last: float = 0.0) -> float:
    """A factor that rises linearly to 1 over `warmup` steps and falls to `last` along half a cosine until `steps`.

    Step 0 already moves: it has 1 / warmup. Loshchilov and Hutter, "SGDR", ICLR 2017, with a linear start.
    """
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return last + (1 - last) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def warmup_steps(step: int, steps: int, *, warmup: int, milestones: Sequence[float], factor: float = 0.1) -> float:
    """A factor that rises linearly to 1 over `warmup` steps and is multiplied by `factor` at each milestone.

    milestones: parts of the run, from 0 to 1.
    """
    rise = min(1.0, (step + 1) / warmup) if warmup else 1.0
    passed = sum(step >= milestone * steps for milestone in milestones)
    return float(rise * factor**passed)


def cosine_between(step: int, steps: int, first: float, last: float) -> float:
    """From `first` to `last` along half a cosine: teacher momentum, weight decay."""
    return last + (first - last) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / max(1, steps))))


def ema_decay(step: int, decay: float) -> float:
    """The decay of an average of weights, smaller in the first steps so that it forgets where they began."""
    return min(decay, (1 + step) / (10 + step))
