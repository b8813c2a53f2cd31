"""What the tests of several systems share: every parameter has something to learn."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def awake(net: nn.Module) -> None:
    """Begin as a trained network does: a fresh one scales the last layer of each block by 0, so that no gradient
    comes by it to the layers before."""
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d) and not module.weight.any():
                module.weight.fill_(0.5)


def assert_every_gradient(terms: Mapping[str, Tensor], *modules: nn.Module) -> None:
    """The sum of the losses gives every parameter a gradient that is finite, and not all 0."""
    torch.autograd.backward(torch.stack([*terms.values()]).sum())
    for module in modules:
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None, f"{name} has no gradient"
            assert parameter.grad.isfinite().all(), f"the gradient of {name} is not finite"
            assert parameter.grad.any(), f"the gradient of {name} is 0"
