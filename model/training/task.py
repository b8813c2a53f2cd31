"""The contract between the loop and what is learnt."""

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor, nn
from torch.optim import Optimizer

from model.network import ReidNetwork


class Task(Protocol):
    """Something to learn: a module that turns a batch into losses, and what happens around its steps.

    module: everything that has parameters, averages or buffers; a checkpoint is its state and the optimiser's.
        Called with what `batch` returned, it gives the losses by name, weighted, ready to be summed.
    """

    @property
    def module(self) -> nn.Module: ...

    def batch(self, step: int, micro: int, device: str) -> Mapping[str, Tensor]:
        """The inputs of a step, a pure function of its arguments (`micro` counts within an accumulated step)."""
        ...

    def optimiser(self) -> Optimizer:
        """A fresh optimiser over what is trained; each group's `scale` multiplies the scheduled learning rate."""
        ...

    def before_step(self, step: int) -> None:
        """Set what depends on the step: temperatures, what is frozen."""
        ...

    def after_step(self, step: int) -> None:
        """Move the averages."""
        ...


class NetworkTask(Task, Protocol):
    """One that learns a network which tells persons apart."""

    @property
    def kept(self) -> ReidNetwork:
        """The network whose weights a finished run writes."""
        ...
