"""Batch-hard triplets as video re-identification uses them: one kind of rows, all of one data set."""

from torch import Tensor

from model.losses.triplet import batch_hard


def batch_hard_triplet(features: Tensor, person: Tensor, *, margin: float | None) -> Tensor:
    """Each row's farthest other row of its person has to be nearer than the nearest row of anybody else.

    With d+ and d- those two Euclidean distances, of vectors as they are (not made unit vectors)::

        margin given:  L_a = max(0, margin + d+ - d-)          margin None:  L_a = log(1 + exp(d+ - d-))

    and L is the mean over the rows that have both. Unlike `model.losses.triplet`, tracks count for nothing: a clip
    of the same track is a positive like any other.

    Source: Hermans et al., "In Defense of the Triplet Loss", 2017, equation 5 and section 2 (soft margin). Authors'
    programs let a row be its own positive; that changes nothing where each person has two rows or more.

    Args:
        features: (B, D), any length.
        person: (B,) int64.
        margin: a distance, or None for the soft margin.

    Returns:
        A scalar; exactly 0, with a gradient of 0, where no row has both.
    """
    return batch_hard(features, features, person, person, margin=margin, exclude_self=True)
