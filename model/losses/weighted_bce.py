"""Binary cross-entropy for attributes of which some are rare: the rarer the answer, the dearer its miss."""

import torch
import torch.nn.functional as F
from torch import Tensor

from model.losses.errors import BadLossInput
from model.losses.precision import in_float32


@in_float32
def weighted_bce(logits: Tensor, labels: Tensor, positive_ratio: Tensor, *, sigma: float) -> Tensor:
    """Each attribute is present or not, and a miss of the rarer of the two counts for more.

    With probabilities p (sigmoid of the logits), labels y and the share w_i of rows in the training set that have
    attribute i, over the A attributes of a row::

        L = -1 / A sum_i [ e^((1 - w_i) / sigma^2) y_i log p_i + e^(w_i / sigma^2) (1 - y_i) log(1 - p_i) ]

    and the mean over the rows.

    Source: "Attribute-driven feature disentangling and temporal aggregation", CVPR 2019, equation 8. The
    equation is of one row; the mean over a batch is this project's reading.

    Args:
        logits: (B, A).
        labels: (B, A) of 0 and 1, of any kind of number.
        positive_ratio: (A,), from 0 to 1.
        sigma: how little rarity counts, above 0; infinite gives the plain cross-entropy.

    Returns:
        A scalar.

    Raises:
        BadLossInput: the three do not tell of the same attributes.
    """
    if labels.shape != logits.shape or positive_ratio.shape != logits.shape[1:]:
        shapes = [tuple(each.shape) for each in (logits, labels, positive_ratio)]
        raise BadLossInput(f"logits and labels are (B, A) and positive_ratio is (A,), got {shapes}")
    present = torch.exp((1 - positive_ratio) / sigma**2)  # (A,)
    absent = torch.exp(positive_ratio / sigma**2)  # (A,)
    # log(1 - p) is the log-sigmoid of the logit's opposite: finite however sure a prediction is.
    terms = present * labels * F.logsigmoid(logits) + absent * (1 - labels) * F.logsigmoid(-logits)  # (B, A)
    return -terms.mean()
