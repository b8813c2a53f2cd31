"""Online instance matching: a person is told by a table of past features instead of by learned weights."""

import torch
import torch.nn.functional as F
from torch import Tensor

from model.losses.precision import in_float32


@in_float32
def oim_loss(features: Tensor, person: Tensor, table: Tensor, *, scale: float) -> Tensor:
    """Cross-entropy of a row's cosines with what the table remembers of each person.

    With x_i the row made a unit vector, v_j row j of the table, and y_i the row's person::

        L = - 1 / B sum_i log( exp(scale x_i . v_{y_i}) / sum_j exp(scale x_i . v_j) )

    Source: Xiao et al., "Joint Detection and Identification Feature Learning for Person Search", CVPR 2017; scale 30
    in the program of the snippet system (dapengchen123/video_reid), where a row is a frame. Their queue of unlabelled
    persons is left out: here everybody has a label.

    Args:
        features: (B, D), any length, B at least 1.
        person: (B,) int64, rows of the table.
        table: (P, D), unit vectors, or 0 for persons not yet seen. Constants: no gradient goes there.
        scale: one over the temperature.

    Returns:
        A scalar.
    """
    logits = scale * F.normalize(features, dim=1) @ table.detach().T  # (B, P)
    return F.cross_entropy(logits, person)


@in_float32
@torch.no_grad()
def oim_table(table: Tensor, features: Tensor, person: Tensor, *, momentum: float) -> Tensor:
    """The table after a batch; the one given is not touched.

    For each row i in turn, the later ones of a person on top of the earlier ones::

        v_{y_i} <- u / ||u||,    u = momentum v_{y_i} + (1 - momentum) x_i

    Source: as `oim_loss`; momentum 0.5.

    Args:
        table: (P, D); features: (B, D), any length; person: (B,) int64.
        momentum: share of what was remembered, from 0 to 1.

    Returns:
        (P, D).
    """
    table = table.clone()
    for feature, row in zip(F.normalize(features, dim=1), person.tolist(), strict=True):
        table[row] = F.normalize(momentum * table[row] + (1 - momentum) * feature, dim=0)
    return table
