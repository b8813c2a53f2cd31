"""Distillation of relations: who resembles whom in a batch, as a teacher network sees it."""

from torch import Tensor

from model.losses.pairs import cosines, nothing
from model.losses.precision import in_float32


@in_float32
def neighbour_divergence(student: Tensor, teacher: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Each row asks which of the other rows resembles it; the student has to answer as the teacher does.

    With cosines c of the rows, softmax over the other rows of the batch::

        p_i[j] = softmax_{j != i}(c_ij / temperature);   L = mean_i KL(p_teacher_i || p_student_i)

    The two spaces need not have the same number of dimensions. The gradient grows as the temperature falls (it is
    not multiplied by its square).

    Source: Koohpayegani et al., "CompRess: Self-Supervised Learning by Compressing Representations", NeurIPS 2020,
    section 3 (there over a memory of anchor points; here over the batch); the batch as its own set of anchors:
    Passalis and Tefas, "Learning Deep Representations with Probabilistic Knowledge Transfer", ECCV 2018 (PKT).

    Args:
        student: (B, D); a row is a picture or a clip, of any length.
        teacher: (B, Dt), the same rows as the teacher sees them. Constants: no gradient goes there.
        temperature: above 0, of both.

    Returns:
        A scalar; exactly 0, with a gradient of 0, for fewer than two rows.
    """
    if len(student) < 2:
        return nothing(student)
    found, wanted = _off_diagonal(student) / temperature, _off_diagonal(teacher.detach()) / temperature
    p = wanted.softmax(dim=1)  # (B, B - 1)
    return (p * (wanted.log_softmax(dim=1) - found.log_softmax(dim=1))).sum(dim=1).mean()


@in_float32
def cosine_difference(student: Tensor, teacher: Tensor) -> Tensor:
    """The mean squared difference between the cosines of student and teacher, over all pairs of two rows.

    ``L = 1 / (B (B - 1)) sum_{i != j} (c_student_ij - c_teacher_ij)^2``

    Source: Tung and Mori, "Similarity-Preserving Knowledge Distillation", ICCV 2019, section 3 (there the rows of
    the matrix of inner products are given unit length and the diagonal counts; here the rows of the features are,
    and the diagonal, always 1, is left out); relations of pairs: Park et al., "Relational Knowledge Distillation",
    CVPR 2019, section 3 (there of distances, scaled by their mean).

    Args:
        student: (B, D); teacher: (B, Dt), as in `neighbour_divergence`.

    Returns:
        A scalar; exactly 0, with a gradient of 0, for fewer than two rows.
    """
    if len(student) < 2:
        return nothing(student)
    return (_off_diagonal(student) - _off_diagonal(teacher.detach())).square().mean()


def _off_diagonal(rows: Tensor) -> Tensor:
    """Cosines of each row with the others: (B, D) -> (B, B - 1)."""
    size = len(rows)
    # Without its first entry, the matrix read in lines of B + 1 has the diagonal in its last column.
    lines = cosines(rows).flatten()[1:].view(size - 1, size + 1)
    return lines[:, :-1].reshape(size, size - 1)
