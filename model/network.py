"""What weights, training and service know of a network, whichever paper it is of."""

from typing import Protocol

from torch import nn

from model.sampling import Sampling


class NetworkConfig(Protocol):
    """Everything that decides a network's shape and arithmetic; it travels with the weights."""

    @property
    def name(self) -> str: ...

    @property
    def height(self) -> int: ...

    @property
    def width(self) -> int: ...

    @property
    def sampling(self) -> Sampling: ...

    def to_json(self) -> str: ...


class ReidNetwork(nn.Module):
    """Maps clips, RGB 0-255, (B, T, 3, H, W), and a bool mask (B, T) to unit vectors, (B, D)."""

    config: NetworkConfig
    dimension: int  # D
