"""Maximum mean discrepancy: how far apart two sets of features lie as wholes, whatever the rows are."""

import torch
from torch import Tensor

from model.losses.pairs import distances, nothing
from model.losses.precision import in_float32


@in_float32
def mmd(source: Tensor, target: Tensor, *, alpha: float = 0.5) -> Tensor:
    """Features of one data set should be spread like those of the other.

    With S rows s and N rows t, and the kernel k(a, b) = exp(-||a - b||^2 / (2 alpha^2))::

        L = 1 / S^2 sum_ij k(s_i, s_j) + 1 / N^2 sum_ij k(t_i, t_j) - 2 / (S N) sum_ij k(s_i, t_j)

    the biased estimate of the squared discrepancy: rows are paired with themselves too, and it is never negative.

    Source: "Attribute-driven feature disentangling and temporal aggregation", CVPR 2019, equations 5 and 6 (alpha 0.5).

    Args:
        source: (S, D); target: (N, D). Rows some alphas apart have next to no gradient: mind the features' length.
        alpha: the kernel's width, above 0, in units of the features.

    Returns:
        A scalar; 0 where either side has no rows.
    """
    if len(source) == 0 or len(target) == 0:
        return nothing(source, target)
    within = _kernel(source, source, alpha).mean() + _kernel(target, target, alpha).mean()
    return within - 2 * _kernel(source, target, alpha).mean()


def _kernel(rows: Tensor, others: Tensor, alpha: float) -> Tensor:
    return torch.exp(-distances(rows, others).square() / (2 * alpha**2))  # (A, N)
