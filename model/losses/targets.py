"""From a teacher's logits to what the student shall say. Both ways keep the teacher from saying one thing always."""

import torch
import torch.distributed as dist
from torch import Tensor, nn

from model.losses.precision import in_float32


class Centre(nn.Module):
    """Softmax of logits minus their running mean, sharpened by a low temperature.

    The mean is a buffer: it is saved with `state_dict` and moves with `to`. Each kind of logits ([CLS], patches,
    regions) has a centre of its own. ::

        p = softmax((logits - centre) / temperature);   centre <- m centre + (1 - m) mean of the logits

    Source: Caron et al., "Emerging Properties in Self-Supervised Vision Transformers" (DINO), ICCV 2021, equation 4;
    `DINOLoss` in `main_dino.py` of facebookresearch/dino, which likewise updates after it has used the centre.
    """

    value: Tensor

    def __init__(self, prototypes: int, momentum: float = 0.9) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("value", torch.zeros(prototypes))

    @torch.no_grad()
    @in_float32
    def forward(self, logits: Tensor, temperature: float) -> Tensor:
        """The targets: (..., K) -> (..., K), sums to 1 over K. Changes nothing: call `update` after the step."""
        return ((logits - self.value) / temperature).softmax(dim=-1)

    @torch.no_grad()
    @in_float32
    def update(self, logits: Tensor) -> None:
        """Move towards the mean of these logits, (..., K), over all their rows and the rows of all processes.

        Processes may have different numbers of rows, or none; without any row at all the centre stays.
        """
        rows = logits.flatten(0, -2)  # (N, K)
        count = _over_processes(logits.new_tensor(float(len(rows))), dist.ReduceOp.SUM)
        mean = _over_processes(rows.sum(dim=0), dist.ReduceOp.SUM) / count.clamp(min=1)  # (K,)
        moved = self.momentum * self.value + (1 - self.momentum) * mean
        self.value.copy_(torch.where(count > 0, moved, self.value))


@torch.no_grad()
@in_float32
def sinkhorn_knopp(logits: Tensor, temperature: float, iterations: int = 3) -> Tensor:
    """Targets in which, over all rows of all processes, every prototype is about equally often meant.

    exp(logits / temperature) is divided in turn by its sums over rows, so that each prototype has the same weight,
    and by its sums over prototypes, so that each row sums to 1; the latter comes last. It has no state. In
    logarithms, so that no prototype vanishes however low the temperature.

    Source: Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments" (SwAV),
    NeurIPS 2020, section 3.1; in DINOv2 `sinkhorn_knopp_teacher` of `dinov2/loss/dino_clstoken_loss.py`
    (facebookresearch/dinov2), 3 iterations over the teacher's views together.

    Args:
        logits: (..., K); all leading axes are rows. Processes may have different numbers of rows, or none.
        temperature: above 0.
        iterations: at least 1.

    Returns:
        (..., K), sums to 1 over K.
    """
    log_q = logits.flatten(0, -2) / temperature  # (N, K)
    for _ in range(iterations):
        log_q = log_q - _log_sum_over_rows(log_q)
        log_q = log_q.log_softmax(dim=1)
    return log_q.exp().view(logits.shape)


def _log_sum_over_rows(x: Tensor) -> Tensor:
    """The logarithm of the sum of exp(x) over the rows of all processes: (N, K) -> (K,)."""
    peak = x.amax(dim=0) if len(x) else x.new_full(x.shape[1:], -torch.inf)
    peak = _over_processes(peak, dist.ReduceOp.MAX)
    return peak + _over_processes((x - peak).exp().sum(dim=0), dist.ReduceOp.SUM).log()


def _over_processes(x: Tensor, operation: dist.ReduceOp.RedOpType) -> Tensor:
    """Of all processes where there are several, in place; a single process keeps its own."""
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(x, operation)
    return x
