"""Does every parameter learn, and are a fresh network's numbers of any size?"""

import torch
from torch import Tensor, nn

from model.systems.system import System


def wake(module: nn.Module) -> None:
    """Draw the weights that begin at 0, as those do that close a branch: before them nothing has a gradient."""
    with torch.no_grad():
        for parameter in module.parameters():
            if not parameter.any():
                parameter.normal_(std=0.1)


def without_gradient(*modules: nn.Module) -> list[str]:
    """Names of parameters that should learn and have no gradient, or one of exactly 0."""
    return [
        name
        for module in modules
        for name, parameter in module.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or not parameter.grad.any())
    ]


def settle(net: System, clips: Tensor) -> None:
    """Evaluation mode with norms that fit these clips: in a fresh deep network differences fade to nothing else."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        net.train().features(clips)
    net.eval()
