"""Local semantic extraction: the same region says the same in every view and frame, and part queries learn regions.

VILLS publishes no formula for it (Huang et al., WACV 2025; only the abstract is public), so both are this project's:
DINO's cross-entropy, a row a region; and the cosine between a part and the region it stands for.
"""

import torch.nn.functional as F
from torch import Tensor

from model.losses.errors import BadLossInput
from model.losses.precision import in_float32
from model.losses.prototypes import cross_entropy


@in_float32
def region_agreement(
    student: Tensor,
    teacher: Tensor,
    student_visible: Tensor,
    teacher_visible: Tensor,
    *,
    student_temperature: float = 0.1,
    same_sighting: bool = False,
) -> Tensor:
    """The student says of a region in one sighting what the teacher says of it in another.

    A sighting is a view of a frame, or another frame of the track: whatever shows the same region again. With p the
    teacher's targets and q the student's softmax::

        L = mean of H(p_vr, q_sr) over all regions r and sightings v != s that both see r

    A region nobody else sees adds nothing; one seen often counts often.

    Source: this project's choice, after Caron et al. (DINO), ICCV 2021, equation 3, region by region.

    Args:
        student: (S, R, K), logits of R regions, of all rows of the batch, in S sightings. Those the teacher sees
            come first. What stands where a region is not visible has no effect.
        teacher: (V, R, K), the teacher's targets, from `model.losses.targets`. Sighting i is the student's i.
        student_visible: (S, R) bool; teacher_visible: (V, R).
        student_temperature: above 0.
        same_sighting: let s = v count too, for teachers that see more than the student in the same view.

    Returns:
        A scalar; exactly 0, with a gradient of 0, where no region is seen twice.

    Raises:
        BadLossInput: shapes do not fit one another.
    """
    if student.shape[1:] != teacher.shape[1:]:
        raise BadLossInput(f"the same regions and prototypes on both sides: {student.shape[1:]}, {teacher.shape[1:]}")
    if student_visible.shape != student.shape[:2] or teacher_visible.shape != teacher.shape[:2]:
        raise BadLossInput("visibility is one flag for each sighting of each region")
    # Before the softmax, so that nothing from unseen regions, not even NaN, reaches the sum or the gradient.
    student = student.masked_fill(~student_visible[..., None], 0)
    teacher = teacher.masked_fill(~teacher_visible[..., None], 0)
    total, count = student[:0].sum(), student_visible[:0].sum()
    for s in range(len(student)):
        for v in range(len(teacher)):
            if s != v or same_sighting:
                both = student_visible[s] & teacher_visible[v]  # (R,)
                total = total + (cross_entropy(student[s], teacher[v], student_temperature) * both).sum()
                count = count + both.sum()
    return total / count.clamp(min=1)


@in_float32
def part_distillation(parts: Tensor, regions: Tensor, assignment: Tensor) -> Tensor:
    """Each part query's feature takes the direction of the region assigned to it.

    ``L = mean of 1 - cos(part_fk, region_f,a(f,k))`` over the parts that have a region. No gradient goes to the
    regions, so that parts follow regions and not the other way round.

    Source: this project's choice.

    Args:
        parts: (F, K, C), the features of K part queries in F frames.
        regions: (F, R, C), the features of R regions of the same frames. Constants.
        assignment: (F, K) int64, the region of each part, 0 to R - 1, or below 0 where it has none.

    Returns:
        A scalar, 0 to 2; exactly 0, with a gradient of 0, where nothing is assigned.
    """
    assigned = assignment >= 0  # (F, K)
    place = assignment.clamp(min=0)[..., None].expand_as(parts)  # (F, K, C)
    wanted = F.normalize(regions.detach().gather(1, place), dim=-1)  # (F, K, C)
    apart = 1 - (F.normalize(parts, dim=-1) * wanted).sum(dim=-1)  # (F, K)
    return apart.masked_fill(~assigned, 0).sum() / assigned.sum().clamp(min=1)
