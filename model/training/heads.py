"""The heads that fine-tuning needs, begun from what the network already knows.

A head drawn at random sends gradients through the network that say nothing, and for its first hundred steps they undo
what earlier training knew of other cameras (Kumar et al., "Fine-Tuning can Distort Pretrained Features", ICLR 2022: fit
the head first, then train all).
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.data.pack import PixelRows
from model.data.training_set import Rows, TrainingSet
from model.layers.clip_layout import ClipLayout
from model.losses.identity import identity_loss
from model.precision import fast_autocast
from model.vills.network import Vills

BATCH = 64
LOGITS = (1.0, 2.0, 4.0, 8.0, 12.0, 16.0, 24.0, 32.0)  # of a picture that looks as its person usually does
TINY = 1e-9
RIDGE = 1e-3  # as a part of the features' mean variance


def pictures_of(data: TrainingSet) -> tuple[Rows, Rows]:
    """Every picture of every track: row of the pack, (N,), and person, (N,)."""
    rows = np.concatenate([track.rows for track in data.tracks])
    person = np.repeat([track.person for track in data.tracks], [len(track.rows) for track in data.tracks])
    return rows, person


@torch.no_grad()
def features_of(network: Vills, pixels: PixelRows, rows: Rows, device: str, step: Callable[[int], None]) -> Tensor:
    """What the neck is given for pictures as they are, and what it makes of them over all: (N, D), float32."""
    network.eval().to(device)
    found = each_picture(lambda frames: _still_features(network, frames), pixels, rows, device, step)
    norm = network.neck.norm
    return F.batch_norm(found, None, None, norm.weight.cpu(), norm.bias.cpu(), training=True)


@torch.no_grad()
def each_picture(
    through: Callable[[Tensor], Tensor], pixels: PixelRows, rows: Rows, device: str, step: Callable[[int], None]
) -> Tensor:
    """What `through` makes of pictures (F, 3, H, W), 0-255, some at a time: (N, D), float32. `step` counts them."""
    found = []
    for first in range(0, len(rows), BATCH):
        some = torch.from_numpy(pixels[rows[first : first + BATCH]]).to(device).permute(0, 3, 1, 2)
        with fast_autocast(torch.device(device)):
            found.append(through(some).float().cpu())
        step(len(some))
    return torch.cat(found)


def _still_features(network: Vills, frames: Tensor) -> Tensor:
    still = ClipLayout(torch.ones(len(frames), 1, dtype=torch.bool, device=frames.device))
    patches, descriptor = network.stem(network.normalise(frames))
    return network.frame_features(network.tokens_of(patches, still), descriptor)


@torch.no_grad()
def fit_classifier(
    classifier: nn.Linear, features: Tensor, person: Tensor, domain_of_person: Tensor, smoothing: float
) -> None:
    """Each person's row becomes the direction of the mean of their features (N, D); every person (P) has one.

    All rows get one length: that with the smallest identity loss. Where nobody is told from anybody, it is short.
    """
    means = torch.zeros_like(classifier.weight, device="cpu").index_add_(0, person, F.normalize(features, dim=1))
    rows = F.normalize(means, dim=1) / features.norm(dim=1).mean()
    logits = features @ rows.T  # (N, P), of about the cosine's size
    domain = domain_of_person[person]
    loss = [float(identity_loss(size * logits, person, domain_of_person, domain, smoothing)) for size in LOGITS]
    classifier.weight.copy_(LOGITS[loss.index(min(loss))] * rows)


@torch.no_grad()
def fit_regressor(regressor: nn.Linear, features: Tensor, teacher: Tensor) -> None:
    """Ridge regression of the teacher's vectors (N, Dt) on the features (N, D)."""
    x, y = features.double(), teacher.double()
    x_mean, y_mean = x.mean(dim=0), y.mean(dim=0)
    x, y = x - x_mean, y - y_mean
    gram = x.T @ x
    # Where all pictures are alike to the network, everything is 0, and so is the map.
    gram.diagonal().add_(RIDGE * gram.diagonal().mean().clamp(min=TINY))
    weight = torch.linalg.solve(gram, x.T @ y).T  # (Dt, D)
    regressor.weight.copy_(weight)
    regressor.bias.copy_(y_mean - weight @ x_mean)
