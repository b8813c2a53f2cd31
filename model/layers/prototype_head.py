"""The head of self-distillation: how much a feature resembles each of K learned prototypes."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.losses.precision import in_float32


class PrototypeHead(nn.Module):
    """A small network, each channel standardised over the batch, unit length, and the cosine with each prototype.

    Source: the projection head of Caron et al., "Emerging Properties in Self-Supervised Vision Transformers" (DINO),
    ICCV 2021, section 3.1 and appendix C; `DINOHead` in `dinov2/layers/dino_head.py` of facebookresearch/dinov2.
    Their weight-normalised last layer has a learnable length in DINOv2, fixed to 1 by default in DINO; here it is
    always 1, so a prototype is a direction and the logits are cosines.

    Neither of the two standardises; batch statistics before unit length are those of SwAV's and BYOL's heads (here
    without learned scale or running averages, of the rows of one process). Without them the rows of a new head all
    point one way, the teacher's targets are the same for all, and a student of few steps learns just that.
    """

    def __init__(
        self, channels: int, prototypes: int, *, hidden: int = 2048, bottleneck: int = 256, layers: int = 3
    ) -> None:
        """`layers` linear maps in all, at least 1, with GELU between them; the last one gives `bottleneck` numbers."""
        super().__init__()
        widths = [channels] + [hidden] * (layers - 1) + [bottleneck]
        maps = [nn.Linear(before, after) for before, after in pairwise(widths)]
        self.mlp = nn.Sequential(maps[0])
        for linear in maps[1:]:
            self.mlp.extend([nn.GELU(), linear])
        self.prototypes = nn.Parameter(torch.empty(prototypes, bottleneck))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for linear in self.mlp:
            if isinstance(linear, nn.Linear):
                nn.init.trunc_normal_(linear.weight, std=0.02)
                nn.init.zeros_(linear.bias)
        # Only directions matter: a normal distribution has none that it prefers.
        nn.init.normal_(self.prototypes)

    def forward(self, features: Tensor) -> Tensor:
        """Logits: (..., C) -> (..., K), cosines, from -1 to 1, float32 whatever the features are.

        All leading axes are rows of one batch; what is said of one row depends on the others. A single row is 0.
        """
        return _cosines(_standardised(self.mlp(features)), self.prototypes)


@in_float32
def _standardised(rows: Tensor) -> Tensor:
    """(..., N) -> (..., N), each of the N with mean 0 and variance 1 over all rows."""
    every = rows.flatten(0, -2)
    # A row alone is its own mean. Times 0, and not made anew: every process of several must have gradients.
    return F.batch_norm(every, None, None, training=True).view_as(rows) if len(every) > 1 else rows * 0


@in_float32
def _cosines(rows: Tensor, prototypes: Tensor) -> Tensor:
    """(..., N), (K, N) -> (..., K). In float32: a temperature of 0.04 makes 25 times as much of any rounding."""
    return F.linear(F.normalize(rows, dim=-1), F.normalize(prototypes, dim=-1))
