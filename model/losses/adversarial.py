"""The two sides of a generative adversarial game: telling real pictures from made ones, and not being told."""

import torch.nn.functional as F
from torch import Tensor

from model.losses.precision import in_float32


@in_float32
def discriminator_loss(real: Tensor, made: Tensor) -> Tensor:
    """What a discriminator D makes small. With D = sigmoid(logit), x real pictures and y made ones::

        L = -mean log D(x) - mean log(1 - D(y))

    Source: L_a1 and L_a2 of Hou et al., "VRSTC", CVPR 2019, the standard game of generative adversarial nets. There the
    second term is printed as log D(1 - y), which is read as log(1 - D(y)).

    Args:
        real, made: (F,) logits, before the sigmoid. `made` of pictures that are constants, or the generator learns
            to be found out.

    Returns:
        A scalar.
    """
    return F.softplus(-real).mean() + F.softplus(made).mean()


@in_float32
def generator_loss(made: Tensor) -> Tensor:
    """What a generator makes small in the same game: the discriminator's second term, from the other side::

        L = mean log(1 - D(y))

    It is below 0. Source and notation: `discriminator_loss`.

    Args:
        made: (F,) logits of the made pictures, from a discriminator whose parameters are constants.

    Returns:
        A scalar.
    """
    return -F.softplus(made).mean()
