"""Published weights, whose tensors are called otherwise in every program that holds them."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

COUNTER = "num_batches_tracked"  # of a batch norm; older files have none
BESIDE = ("AuxLogits.",)  # second classifiers of a published network, in the middle of its file and of no use here
# How files of one network name a block's gate; the other one's tensors have the same shapes and another meaning.
GATES = {"seresnet50": ".se.", "legacy_seresnet50": ".se_module."}


def fill_in_order(module: nn.Module, tensors: Mapping[str, Tensor], name: str) -> None:
    """Fill a network with a published one that may go on after it: tensors are matched in order, by shape.

    Published files agree in the order of the layers and differ in their names. What they have beside the network
    (`BESIDE`) is left out.

    Args:
        name: what the network is called, for the message.

    Raises:
        ValueError: the tensors are of another network.
    """
    _check_gates(tensors, name)
    own = {key: each for key, each in module.state_dict().items() if not key.endswith(COUNTER)}
    offered = [tensor for key, tensor in tensors.items() if not key.endswith(COUNTER) and not key.startswith(BESIDE)]
    wrong = [key for (key, want), have in zip(own.items(), offered, strict=False) if want.shape != have.shape]
    if len(offered) < len(own) or wrong:
        where = f"at {wrong[0]}" if wrong else f"{len(offered)} tensors where {len(own)} are needed"
        raise ValueError(
            f"these are no weights of {name} (they differ {where}): give those of the same network and width"
        )
    with torch.no_grad():
        for want, have in zip(own.values(), offered, strict=False):
            want.copy_(have)


def _check_gates(tensors: Mapping[str, Tensor], name: str) -> None:
    """Refuse one squeeze-and-excitation ResNet's file for the other: by shape, each fits both."""
    if name not in GATES:
        return
    for other, gate in GATES.items():
        if other != name and any(gate in key for key in tensors):
            raise ValueError(
                f"these are weights of {other}, which has its strides elsewhere (they name blocks {gate!r}): set "
                f'settings.trunk = "{other}", or give weights of {name}'
            )
