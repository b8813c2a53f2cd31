"""Self-distillation of whole pictures: the student says of one view what the teacher says of another."""

from collections.abc import Sequence

import torch
from torch import Tensor

from model.losses.errors import BadLossInput
from model.losses.precision import in_float32
from model.losses.prototypes import cross_entropy


@in_float32
def dino_loss(student: Sequence[Tensor], teacher: Sequence[Tensor], *, student_temperature: float = 0.1) -> Tensor:
    """Cross-entropy between views, over all pairs of a teacher's and a student's view but the pairs of one view.

    ``L = mean over v != s of mean over rows of H(p_v, q_s)`` with p the teacher's targets of view v and q the
    student's softmax of view s.

    Source: Caron et al., "Emerging Properties in Self-Supervised Vision Transformers" (DINO), ICCV 2021, equation 3;
    `DINOLoss` in `main_dino.py` of facebookresearch/dino (temperature of the student 0.1, the mean over pairs).

    Args:
        student: for each view the logits (B, K) of its B rows, pictures or clips. The teacher's views come first.
        teacher: for each view the teacher sees, its targets (B, K) from `model.losses.targets`, probabilities of
            logits at the teacher's temperature. View number i is the student's view number i.
        student_temperature: above 0.

    Returns:
        A scalar.

    Raises:
        BadLossInput: no two views differ.
    """
    terms = [
        cross_entropy(logits, targets, student_temperature).mean()
        for s, logits in enumerate(student)
        for v, targets in enumerate(teacher)
        if s != v
    ]
    if not terms:
        raise BadLossInput(
            f"self-distillation needs two different views: {len(student)} of the student, {len(teacher)} of the teacher"
        )
    return torch.stack(terms).mean()
