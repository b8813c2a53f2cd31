"""Masked patch prediction: the student says of a patch it does not see what the teacher, who sees it, says."""

from torch import Tensor

from model.losses.errors import BadLossInput
from model.losses.pairs import nothing
from model.losses.precision import in_float32
from model.losses.prototypes import cross_entropy


@in_float32
def ibot_loss(student: Tensor, teacher: Tensor, mask: Tensor, *, student_temperature: float = 0.1) -> Tensor:
    """Cross-entropy at the masked patches; each picture counts the same however much of it is masked.

    With n_b the number of masked patches of picture b::

        L = 1 / B sum_b 1 / n_b sum_{l masked in b} H(p_bl, q_bl)

    Pictures without a masked patch add 0 and count in B, as in DINOv2.

    Source: Zhou et al., "iBOT: Image BERT Pre-Training with Online Tokenizer", ICLR 2022, section 3.1 (masked image
    modelling); `iBOTPatchLoss.forward_masked` in `dinov2/loss/ibot_patch_loss.py` of facebookresearch/dinov2.

    Args:
        student: (M, K), logits of the M masked patches of the batch, in the order of `mask`: picture after picture,
            patch after patch (`tokens[mask]`).
        teacher: (M, K), the teacher's targets of the same patches, from `model.losses.targets`.
        mask: (B, L) bool, True where a patch is hidden from the student; M of them.
        student_temperature: above 0.

    Returns:
        A scalar; exactly 0, with a gradient of 0, where nothing is masked.

    Raises:
        BadLossInput: a number of targets other than of logits.
    """
    if student.shape != teacher.shape:
        raise BadLossInput(
            f"every masked patch has logits and targets: got {tuple(student.shape)} and {tuple(teacher.shape)}"
        )
    if len(student) == 0:
        return nothing(student)
    losses = cross_entropy(student, teacher, student_temperature)  # (M,)
    masked = mask.sum(dim=1, keepdim=True).expand_as(mask)[mask]  # (M,) how many the patch's picture has
    return (losses / masked).sum() / len(mask)
