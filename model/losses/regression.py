"""Distillation of vectors: a linear map of the student's feature has to point where the teacher's does."""

import torch.nn.functional as F
from torch import Tensor

from model.losses.precision import in_float32


@in_float32
def direction_loss(predicted: Tensor, teacher: Tensor) -> Tensor:
    """One minus the cosine between predicted and true vectors of the teacher, averaged over rows.

    ``L = mean_i (1 - cos(predicted_i, teacher_i))``

    Source: feature regression as in Romero et al., "FitNets", ICLR 2015, equation 3, between unit vectors, whose
    squared distance is 2 - 2 cos.

    Args:
        predicted: (B, Dt), of any length; a row is a picture.
        teacher: (B, Dt). Constants: no gradient goes there.

    Returns:
        A scalar from 0 to 2.
    """
    return (1 - F.cosine_similarity(predicted, teacher.detach(), dim=1)).mean()
