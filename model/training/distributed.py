"""Several processes, one model: as `torchrun` starts them, or alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from model.training.errors import BadConfig
from model.training.sharding import shard

# One process packs or completes the data while the others wait for it, longer than NCCL's ten minutes. Where a process
# dies torchrun ends the others, so that nobody waits this long for nothing.
PATIENCE = timedelta(hours=24)


@contextmanager
def process_group(device: str) -> Iterator[str]:
    """Join the other processes that `torchrun` started; nothing where it started none. Gives this one's device.

    Raises:
        BadConfig: this process has no GPU of its own.
    """
    if not dist.is_torchelastic_launched():
        yield device
        return
    own = _own_device(device)
    if own != device:
        torch.cuda.set_device(own)  # what NCCL goes by
    dist.init_process_group("gloo" if own == "cpu" else "nccl", timeout=PATIENCE)
    try:
        yield own
    finally:
        dist.destroy_process_group()


def _own_device(device: str) -> str:
    """The device of this process in full: torch's current device holds in the thread that set it and in no other, so a
    thread that makes batches has to be told the number."""
    if device != "cuda":
        return device
    number, count = dist.get_node_local_rank(), torch.cuda.device_count()
    if number >= count:
        raise BadConfig(
            f"torchrun started process {number} (from 0) on this machine, and each needs a GPU of its own of the "
            f"{count} here: --nproc-per-node {count}, or VILLS_DEVICE=cpu"
        )
    return f"cuda:{number}"


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
    if torch.device(device).type == "cuda":
        module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
    if sharded:
        return shard(module)
    return DistributedDataParallel(module, find_unused_parameters=True)


def first_says(choice: bool, device: str) -> bool:
    """What rank 0 chooses, for all. Every process has to call it.

    Clocks differ: of processes that chose by their own, one would wait for the others where they are not.
    """
    if world_size() == 1:
        return choice
    said = torch.tensor([choice], dtype=torch.uint8, device=device)
    dist.broadcast(said, src=0)
    return bool(said.item())


def wait_for_all() -> None:
    """Return when every process is here."""
    if dist.is_initialized():
        dist.barrier()
