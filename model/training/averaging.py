"""An exponential moving average of a network's weights: the teacher of pre-training, and what fine-tuning keeps."""

import torch
from torch import nn


@torch.no_grad()
def move_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """``average = decay * average + (1 - decay) * network`` for every parameter and statistic; counters are copied."""
    new = network.state_dict()
    for name, tensor in average.state_dict().items():
        if tensor.is_floating_point():
            tensor.lerp_(new[name].to(tensor.dtype), 1 - decay)
        else:
            tensor.copy_(new[name])
