"""Unified feature learning: an image says what its clip says, and a clip what its frame says."""

import torch
from torch import Tensor

from model.losses.errors import BadLossInput
from model.losses.precision import in_float32
from model.losses.prototypes import cross_entropy


@in_float32
def cross_kind(
    student_image: Tensor,
    student_clip: Tensor,
    teacher_image: Tensor,
    teacher_clip: Tensor,
    *,
    weight: Tensor | None = None,
    to_image: float = 1.0,
    to_clip: float = 1.0,
    student_temperature: float = 0.1,
) -> Tensor:
    """Self-distillation across kinds, both ways: the teacher sees the clip and the student one frame, and back.

    With p the teacher's targets, q the student's softmax, and a weight w for each row::

        L = (to_image A + to_clip B) / (to_image + to_clip)
        A = sum_b w_b H(p_clip_b, q_image_b) / sum_b w_b;      B = sum_b w_b H(p_image_b, q_clip_b) / sum_b w_b

    With both ways of equal weight, swapping images and clips changes nothing.

    Source: VILLS (Huang et al., WACV 2025) publishes the aim, one space for images and videos, and no formula. This
    is the project's choice, after Caron et al. (DINO), ICCV 2021, equation 3, with kinds in the place of views.

    Args:
        student_image: (B, K), logits of one frame of each row's clip; student_clip: (B, K), logits of the clip.
        teacher_image, teacher_clip: (B, K), the teacher's targets of the same, from `model.losses.targets`.
        weight: (B,), not negative, of each row; 0 for a clip that is a single frame, say. None: all the same.
        to_image, to_clip: weights of the two ways, not negative, not both 0.
        student_temperature: above 0.

    Returns:
        A scalar; 0, with a gradient of 0, where all rows have weight 0.

    Raises:
        BadLossInput: a negative weight of a way, or both 0.
    """
    if min(to_image, to_clip) < 0 or to_image + to_clip == 0:
        raise BadLossInput(f"weights of the two ways are not negative and not both 0: got {to_image} and {to_clip}")
    image = cross_entropy(student_image, teacher_clip, student_temperature)  # (B,)
    clip = cross_entropy(student_clip, teacher_image, student_temperature)  # (B,)
    rows = (to_image * image + to_clip * clip) / (to_image + to_clip)
    weight = torch.ones_like(rows) if weight is None else weight.to(rows.dtype)
    return (weight * rows).sum() / weight.sum().clamp(min=torch.finfo(rows.dtype).tiny)
