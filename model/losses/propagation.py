"""Temporal knowledge propagation: what the network knows from a clip is handed on to its single frames."""

from typing import Literal

import torch
from torch import Tensor

from model.losses.pairs import distances, nothing
from model.losses.precision import in_float32


@in_float32
def feature_propagation(image: Tensor, frame: Tensor) -> Tensor:
    """A frame seen alone should get the feature it gets as part of its clip.

    With i the feature of a frame as an image and f its feature within the clip, over all NT frames of N clips::

        L = 1 / NT sum_nt ||i_nt - f_nt||^2          (a squared norm: a sum over the D numbers, not their mean)

    No gradient goes to the video side: propagating there too makes V2V worse (table 7 of the paper).

    Source: Gu et al., "Temporal Knowledge Propagation for Image-to-Video Person Re-identification", ICCV 2019; their
    code, `FeatureBasedTKP` in `utils/losses.py` of guxinqian/TKP.

    Args:
        image: (F, D), a row for each real frame of the clips; vectors are not normalised in the paper.
        frame: (F, D), the same frames in the same order, as the clip's network sees them. Constants.

    Returns:
        A scalar; 0 without frames.
    """
    if len(image) == 0:
        return nothing(image)
    return (image - frame.detach()).square().sum(dim=1).mean()


@in_float32
def distance_propagation(image: Tensor, frame: Tensor, *, variant: Literal["code", "paper"] = "code") -> Tensor:
    """Frames seen alone should lie as far from one another as they do as parts of their clips.

    With the NT x NT Euclidean distances between all images and between all frames of the batch::

        "code":   L = 1 / (NT)^2 ||D_image - D_frame||_F^2      what the authors' program computes
        "paper":  L = 1 / NT     ||D_image - D_frame||_F^2      as printed, NT times as large

    The published results are the program's. No gradient goes to the video side.

    Source: as `feature_propagation`; `SimilarityBasedTKP` in `utils/losses.py`. Theirs adds 1e-12 below the root,
    here equal rows have distance 0 and gradient 0.

    Args:
        image, frame: (F, D), as in `feature_propagation`.
        variant: which of the two published scales.

    Returns:
        A scalar; 0 without frames.
    """
    if len(image) == 0:
        return nothing(image)
    with torch.no_grad():
        wanted = distances(frame, frame)  # (F, F)
    squares = (distances(image, image) - wanted).square()
    return squares.mean() if variant == "code" else squares.sum() / len(image)
