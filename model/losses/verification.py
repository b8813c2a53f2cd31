"""Pair verification: do two rows show one person?"""

from torch import Tensor

from model.losses.pairs import nothing
from model.losses.precision import in_float32


@in_float32
def balanced_verification(logits: Tensor, same: Tensor, *, negative_rate: float) -> Tensor:
    """Binary cross-entropy of pairs, the many pairs of two persons brought down to a fixed weight.

    With p the second entry of a pair's softmax, the probability of one person, over P+ pairs of one person and P- of
    two::

        L = (1 / P+ sum_+ -log p  +  negative_rate / P- sum_- -log(1 - p)) / (1 + negative_rate)

    A kind without pairs falls out, of the sum and of the weights.

    Source: the balanced loss of the snippet system, by its program (Chen et al., CVPR 2018, dapengchen123/video_reid):
    weights of 1 and of negative_rate P+ / P-, a rate of 3, divided by their sum. The program divides them by ten more,
    and counts the loss a hundred times.

    Args:
        logits: (..., 2), of two persons and of one.
        same: (...) bool, whether a pair is of one person.
        negative_rate: at least 0.

    Returns:
        A scalar; exactly 0, with a gradient of 0, without pairs.
    """
    log_p = logits.log_softmax(dim=-1)
    hits, misses = -log_p[..., 1][same], -log_p[..., 0][~same]  # (P+,), (P-,)
    terms = [(weight, kind.mean()) for weight, kind in ((1.0, hits), (negative_rate, misses)) if len(kind) > 0]
    total = sum(weight for weight, _ in terms)
    if total == 0:
        return nothing(logits)
    return sum((weight * mean for weight, mean in terms), start=nothing(logits)) / total
