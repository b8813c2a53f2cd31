"""What all self-distillation has in common: the cross-entropy between a teacher's and a student's prototypes."""

from torch import Tensor


def cross_entropy(student: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """``H(p, q) = - sum_k p_k log q_k`` with q the softmax of the student's logits divided by the temperature.

    Args:
        student: (..., K) logits of K prototypes.
        targets: (..., K) the teacher's probabilities. Constants: no gradient goes there.
        temperature: of the student, above 0.

    Returns:
        (...), one number a row.
    """
    return -(targets.detach() * (student / temperature).log_softmax(dim=-1)).sum(dim=-1)
