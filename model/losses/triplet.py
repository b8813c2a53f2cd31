"""Batch-hard triplets: of each row the farthest row of its person and the nearest of another, in all four pairings."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from model.losses.errors import BadLossInput
from model.losses.pairs import distances, nothing, others, same_track
from model.losses.precision import in_float32


@in_float32
def batch_hard(
    anchors: Tensor,
    candidates: Tensor,
    anchor_person: Tensor,
    candidate_person: Tensor,
    *,
    margin: float | None,
    anchor_track: Tensor | None = None,
    candidate_track: Tensor | None = None,
    anchor_domain: Tensor | None = None,
    candidate_domain: Tensor | None = None,
    exclude_self: bool = False,
) -> Tensor:
    """For each anchor: its hardest positive has to be nearer than its hardest negative.

    With d+ the largest distance to a candidate of the anchor's person and d- the smallest to one of another::

        margin given:  L_a = max(0, margin + d+ - d-)          margin None:  L_a = log(1 + exp(d+ - d-))

    and L is the mean over the anchors that have both. Positives are taken from tracks other than the anchor's where
    the person has one among the candidates (neighbouring frames are too easy), else from any of the person's rows.

    Source: Hermans et al., "In Defense of the Triplet Loss", 2017, equation 5 and section 2 (soft margin); between
    images and videos: Gu et al., "Temporal Knowledge Propagation", ICCV 2019, and `utils/losses.py` of guxinqian/TKP
    (margin 0.3, vectors not normalised). Other tracks first, and only the own data set, are this project's choices.

    Args:
        anchors: (A, D), any length; candidates: (N, D).
        anchor_person: (A,) int64; candidate_person: (N,).
        margin: a distance, or None for the soft margin.
        anchor_track: (A,) int64, a track number of its own for each track of the batch; below 0: not known, which
            counts as a track of its own. With `candidate_track` (N,), or neither.
        anchor_domain: (A,) int64, the data set of each row. With `candidate_domain` (N,), or neither. If given, both
            positives and negatives come from the anchor's data set.
        exclude_self: candidates are the anchors themselves, in the same order, and no row is its own positive.

    Returns:
        A scalar; exactly 0, with a gradient of 0, where no anchor has both a positive and a negative.

    Raises:
        BadLossInput: tracks or data sets given for one side only, or `exclude_self` with A other than N.
    """
    if exclude_self and len(anchors) != len(candidates):
        raise BadLossInput(f"exclude_self needs the anchors as candidates: {len(anchors)} and {len(candidates)} rows")
    positive = anchor_person[:, None] == candidate_person[None]  # (A, N)
    negative = ~positive
    domains = _both(anchor_domain, candidate_domain, "domain")
    if domains is not None:
        own = domains[0][:, None] == domains[1][None]
        positive, negative = positive & own, negative & own
    if exclude_self:
        positive = positive & others(anchors)
    tracks = _both(anchor_track, candidate_track, "track")
    if tracks is not None:
        elsewhere = positive & ~same_track(*tracks)
        positive = torch.where(elsewhere.any(dim=1, keepdim=True), elsewhere, positive)
    return _hardest(anchors, candidates, positive, negative, margin)


def four_pairings(
    image: Tensor,
    video: Tensor,
    image_person: Tensor,
    video_person: Tensor,
    *,
    margin: float | None,
    image_track: Tensor | None = None,
    video_track: Tensor | None = None,
    image_domain: Tensor | None = None,
    video_domain: Tensor | None = None,
    reduction: Literal["mean", "sum"] = "mean",
) -> Tensor:
    """Batch-hard triplets I2I, I2V, V2I and V2V: each kind asks its own and the other.

    Args:
        image: (A, D); video: (N, D), features in one space. Either may have no rows.
        image_person, video_person, image_track, ...: as in `batch_hard`.
        reduction: of the four losses; TKP takes the sum. A pairing without triplets counts as 0.

    Returns:
        A scalar.
    """
    images = (image, image_person, image_track, image_domain)
    videos = (video, video_person, video_track, video_domain)
    losses = []
    for anchors, anchor_person, anchor_track, anchor_domain in (images, videos):
        for candidates, candidate_person, candidate_track, candidate_domain in (images, videos):
            losses.append(
                batch_hard(
                    anchors,
                    candidates,
                    anchor_person,
                    candidate_person,
                    margin=margin,
                    anchor_track=anchor_track,
                    candidate_track=candidate_track,
                    anchor_domain=anchor_domain,
                    candidate_domain=candidate_domain,
                    exclude_self=candidates is anchors,
                )
            )
    total = torch.stack(losses)  # (4,)
    return total.mean() if reduction == "mean" else total.sum()


def _hardest(anchors: Tensor, candidates: Tensor, positive: Tensor, negative: Tensor, margin: float | None) -> Tensor:
    """The loss of the hardest pairs that the two masks (A, N) allow."""
    if len(anchors) == 0 or len(candidates) == 0:
        return nothing(anchors, candidates)
    distance = distances(anchors, candidates)  # (A, N)
    # By index and not by value, so that rows without a pair keep finite numbers, and with them a gradient of 0.
    farthest = distance.detach().masked_fill(~positive, -torch.inf).argmax(dim=1, keepdim=True)
    nearest = distance.detach().masked_fill(~negative, torch.inf).argmin(dim=1, keepdim=True)
    excess = (distance.gather(1, farthest) - distance.gather(1, nearest)).squeeze(1)  # (A,)
    losses = F.softplus(excess) if margin is None else F.relu(margin + excess)
    whole = positive.any(dim=1) & negative.any(dim=1)  # (A,)
    return (losses * whole).sum() / whole.sum().clamp(min=1)


def _both(left: Tensor | None, right: Tensor | None, what: str) -> tuple[Tensor, Tensor] | None:
    if left is not None and right is not None:
        return left, right
    if left is not None or right is not None:
        raise BadLossInput(f"a {what} was given for one side of the pairs only: give it for both, or for neither")
    return None
