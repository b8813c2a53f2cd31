"""A VILLS network without trained weights: the same numbers from the same seed, whatever else the process draws."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from model.vills.config import VillsConfig
from model.vills.network import Vills

SEED = 2025


@contextmanager
def drawn_from(seed: int) -> Iterator[None]:
    """What is drawn inside comes from `seed`. The process's own random numbers are left as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def seeded_network(config: VillsConfig, seed: int = SEED) -> Vills:
    """A network of freshly drawn weights."""
    with drawn_from(seed):
        return Vills(config)


def seeded_recipe(seed: int = SEED) -> bytes:
    """What decides the numbers of a seeded network, for its fingerprint.

    The tensors themselves would not do: two kinds of processor may draw them apart in the last bit, and machines
    that differ in nothing else would then refuse each other's gallery.
    """
    return f"seed {seed} of torch {torch.__version__.split('+')[0]}".encode()
