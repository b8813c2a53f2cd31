"""Several processes, one model: as `torchrun` starts them, or alone."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from model.training.sharding import shard


@contextmanager
def process_group(device: str) -> Iterator[None]:
    """Join the other processes that `torchrun` started; nothing where it started none."""
    if not dist.is_torchelastic_launched():
        yield
        return
    dist.init_process_group("nccl" if device == "cuda" else "gloo")
    if device == "cuda":
        torch.cuda.set_device(dist.get_node_local_rank())
    try:
        yield
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """This process's number; 0 alone."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """How many processes train together; 1 alone."""
    return dist.get_world_size() if dist.is_initialized() else 1


def spread(module: nn.Module, device: str, *, sharded: bool) -> nn.Module:
    """The module whose gradients are averaged over all processes, and whose batch norms see all their rows (CUDA).

    Every process holds all parameters (DDP), or a part of each (`sharded`, FSDP).
    """
    if world_size() == 1:
        return module
    if device == "cuda":
        module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
    if sharded:
        return shard(module)
    return DistributedDataParallel(module, find_unused_parameters=True)


def wait_for_all() -> None:
    """Return when every process is here."""
    if dist.is_initialized():
        dist.barrier()
