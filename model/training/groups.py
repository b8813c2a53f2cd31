"""Groups of parameters for an optimiser: what decays, what learns slower, and what does not learn."""

from collections.abc import Sequence
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from model.layers.frame_trunk import trunks_of
from model.layers.multi_scale_trunk import MultiScaleTrunk
from model.layers.stem import ConvStem
from model.training.config import Network, OptimiserName
from model.training.errors import BadConfig
from model.vills.network import Vills

MOMENTUM = 0.9  # of sgd and nesterov


def make_optimiser(name: OptimiserName, groups: list[dict[str, Any]], lr: float) -> Optimizer:
    """All but adamw add the weights themselves to the gradient, as papers before AdamW do; adamw shrinks them."""
    if name in ("sgd", "nesterov"):
        return SGD(groups, lr=lr, momentum=MOMENTUM, nesterov=name == "nesterov")
    return Adam(groups, lr=lr) if name == "adam" else AdamW(groups, lr=lr)


def frozen_blocks(network: Vills, count: int) -> list[nn.Module]:
    """The first `count` blocks of a convolutional stem, which stay as they began.

    Raises:
        BadConfig: there are not so many; other stems have none.
    """
    stem = network.trunk.patch_embed
    blocks = [*stem.blocks] if isinstance(stem, ConvStem) else []
    if count > len(blocks):
        raise BadConfig(
            f"network.frozen_blocks is {count}, and the stem of {network.config.name} has {len(blocks)} blocks: "
            "lower it"
        )
    return blocks[:count]


def stem_parameters(network: Vills) -> list[nn.Parameter]:
    """What published weights have filled, which learns slower; without a convolutional stem, nothing."""
    stem = network.trunk.patch_embed
    layers = stem.published() if isinstance(stem, ConvStem) else []
    return [parameter for layer in layers for parameter in layer.parameters()]


def slow_parts(network: Vills, config: Network) -> list[tuple[float, list[nn.Parameter]]]:
    """What learns slower than the rest, and by how much."""
    adapters = [*network.adapters.parameters()]
    return [(config.stem_scale, stem_parameters(network)), (config.adapter_scale, adapters)]


def trunk_parameters(network: nn.Module) -> list[nn.Parameter]:
    """Of a published system, all of its trunks, which ImageNet's weights have filled; and what M3D has inside of one.

    M3D's program names the heads alone as new.
    """
    over_time = [module for module in network.modules() if isinstance(module, MultiScaleTrunk)]
    return [parameter for trunk in [*trunks_of(network), *over_time] for parameter in trunk.parameters()]


def parameter_groups(
    module: nn.Module, slow: Sequence[tuple[float, Sequence[nn.Parameter]]] = (), *, weight_decay: float
) -> list[dict[str, Any]]:
    """What of `module` is trained, in groups of one rate and one decay.

    Vectors (biases, norms) and position tables do not decay. `slow` ones learn at so many times the rate.
    """
    scales: dict[int, float] = {}
    for scale, parameters in slow:
        scales |= {id(parameter): scale for parameter in parameters}
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            decays = parameter.ndim > 1 and not name.endswith(("pos_embed", "cls_token"))
            groups.setdefault((scales.get(id(parameter), 1.0), decays), []).append(parameter)
    return [
        {"params": members, "scale": scale, "weight_decay": weight_decay if decays else 0.0}
        for (scale, decays), members in groups.items()
    ]
