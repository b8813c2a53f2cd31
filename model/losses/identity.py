"""The identity loss: which person of the training set is it? One classifier over the persons of several data sets."""

import torch
from torch import Tensor

from model.losses.precision import in_float32


@in_float32
def identity_loss(
    logits: Tensor, person: Tensor, domain_of_person: Tensor, domain: Tensor, smoothing: float = 0.1
) -> Tensor:
    """Label-smoothed cross-entropy, each row among the persons of its own data set only.

    A row is a picture or a clip. Nobody has compared the persons of two data sets: one may be in both, and telling
    the sets apart by their colours teaches nothing. So the softmax of a row runs over its own data set, and the
    classifiers of other sets get no gradient from it. With one data set this is the ordinary loss.

    For row i with C persons in its data set, true person y and probabilities p (softmax over those C)::

        L_i = -(1 - smoothing) log p[y] - (smoothing / C) sum_c log p[c];   L = mean_i L_i

    Source: label smoothing of Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016, section 7; in
    re-identification Luo et al., "Bag of Tricks", CVPR-W 2019 (smoothing 0.1). The restriction to the
    row's data set is this project's choice.

    Args:
        logits: (B, P), P persons of all data sets, B at least 1.
        person: (B,) int64, the true person's column, 0 to P - 1. A person of another data set than the row's gives
            an infinite loss.
        domain_of_person: (P,) int64, the data set of each column.
        domain: (B,) int64, the data set of each row.
        smoothing: share of the target spread evenly over the persons of the data set, from 0 to less than 1.

    Returns:
        A scalar.
    """
    own = domain[:, None] == domain_of_person[None]  # (B, P)
    log_p = logits.masked_fill(~own, -torch.inf).log_softmax(dim=1)  # (B, P), -inf outside the data set
    hit = log_p.gather(1, person[:, None]).squeeze(1)  # (B,)
    spread = log_p.masked_fill(~own, 0).sum(dim=1) / own.sum(dim=1)  # (B,)
    return -((1 - smoothing) * hit + smoothing * spread).mean()
