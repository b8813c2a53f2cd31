"""Parameters, gradients and optimiser spread over processes (FSDP), for networks that one device has no room for."""

import copy
from typing import Any, TypeVar

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from model.network import ReidNetwork

AnyNetwork = TypeVar("AnyNetwork", bound=ReidNetwork)
WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


def shard(module: nn.Module) -> nn.Module:
    """Spread a module's parameters over all processes, in place; before an optimiser is made of them.

    Each transformer block is gathered when it is run and let go after it; the rest is one group.
    """
    module.to(memory_format=torch.contiguous_format)  # what can be spread; a stem keeps its weights otherwise
    for block in [each for each in module.modules() if isinstance(each, Block)]:
        fully_shard(block)
    fully_shard(module)
    return module


def is_sharded(module: nn.Module) -> bool:
    return any(isinstance(parameter, DTensor) for parameter in module.parameters())


def whole_state(module: nn.Module, optimiser: Optimizer) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a checkpoint holds, gathered on rank 0 (empty elsewhere). Every process has to call it."""
    if not is_sharded(module):
        return module.state_dict(), optimiser.state_dict()
    return (
        get_model_state_dict(module, options=WHOLE),
        get_optimizer_state_dict(module, optimiser, options=WHOLE),
    )


def load_whole_state(module: nn.Module, optimiser: Optimizer, state: dict[str, Any], steps: dict[str, Any]) -> None:
    """The inverse of `whole_state`; every process is given the whole and keeps its part."""
    if not is_sharded(module):
        module.load_state_dict(state)
        optimiser.load_state_dict(steps)
        return
    everywhere = StateDictOptions(full_state_dict=True)
    set_model_state_dict(module, state, options=everywhere)
    set_optimizer_state_dict(module, optimiser, steps, options=everywhere)


def whole_tensor(tensor: Tensor) -> Tensor:
    """A tensor all of which is here. Every process has to call it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def whole_network(network: AnyNetwork) -> AnyNetwork:
    """A network all of which is here: itself, or a gathered copy. Every process has to call it."""
    return whole_copy(network) if is_sharded(network) else network


@torch.no_grad()
def whole_copy(network: AnyNetwork) -> AnyNetwork:
    """A copy of a network, all of which is here, to be changed freely. Every process has to call it."""
    if not is_sharded(network):
        return copy.deepcopy(network)
    tensors = {name: whole_tensor(tensor) for name, tensor in network.state_dict().items()}
    whole = type(network)(network.config)
    whole.load_state_dict(tensors)
    return whole
