"""The loop: the same for every task."""

import logging
import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.optim import Optimizer

from model.training.checkpoint import OTHER_DATA, Checkpoint, has_checkpoint, load_checkpoint, save_checkpoint
from model.training.distributed import first_says, rank, spread, wait_for_all, world_size
from model.training.errors import BadCheckpoint, Diverged
from model.training.record import append_metrics, forget_metrics_from, write_provenance
from model.training.schedules import warmup_cosine, warmup_steps
from model.training.sharding import load_whole_state, whole_state, whole_tensor
from model.training.task import Task

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoopPlan:
    """What the loop itself has to know. Steps are steps of the optimiser."""

    steps: int
    lr: float  # of a group with `scale` 1, at its highest
    warmup: int
    seed: int
    device: str  # cpu, cuda or, with its number, cuda:1
    data: str = ""  # what tells the data from all others: a checkpoint of a run on others is refused
    last_lr: float = 0.0  # at the end of the cosine, as a part of `lr`
    milestones: tuple[float, ...] = ()  # parts of the run after which `lr` is a tenth; none: half a cosine
    accumulate: int = 1  # batches a step
    sharded: bool = False  # over the processes, where there are several
    compile: bool = False  # the transformer blocks
    clip: float = 5.0  # gradients' norm at most
    log_every: int = 20
    save_every_s: float = 300.0  # what a killed run does again, at most; 0: after every step
    stop_after: int | None = None  # steps after which to stop as if killed, checkpoint written


def train(task: Task, plan: LoopPlan, folder: Path, config: str, tell: Callable[[int, str], None]) -> int:
    """Train until the plan's last step, from where the checkpoint in `folder` stands; the number of steps done.

    What a step does depends on seed and step alone: a run that was stopped and resumed ends with the same numbers as
    one that was not. `config` is the resolved configuration, as JSON. `tell(step, text)` shows progress.

    Raises:
        Diverged: a loss or the gradient is not finite.
        BadCheckpoint: the folder holds a checkpoint that cannot be used.
    """
    task.module.to(plan.device)
    if plan.compile:
        compile_blocks(task.module)
    # Sharding changes the parameters themselves, so the optimiser comes after it.
    model = spread(task.module, plan.device, sharded=plan.sharded)
    optimiser = task.optimiser()
    first = _resume(task, optimiser, plan, folder, config)
    last = plan.steps if plan.stop_after is None else min(plan.steps, first + plan.stop_after)
    meter, saved_at = _Meter(), time.monotonic()
    with _Batches(task, plan, first, last) as batches:
        for step in range(first, last):
            try:
                figures = _step(task, model, optimiser, plan, step, batches)
            except Diverged as error:
                kept = "the last checkpoint is from before" if has_checkpoint(folder) else "there is no checkpoint yet"
                raise Diverged(f"{error}; {kept}") from error
            meter.add(figures)
            done = step + 1
            if done % plan.log_every == 0 or done == last:
                means = meter.take()
                if rank() == 0:
                    append_metrics(folder, {"step": done, **means})
                tell(done, f"loss {means['loss']:.3f}")
            due = time.monotonic() - saved_at >= plan.save_every_s
            if done == last or first_says(due, plan.device):
                _save(task, optimiser, folder, Checkpoint(done, config, plan.data, world_size(), {}, {}))
                saved_at = time.monotonic()
    return last


def compile_blocks(module: nn.Module) -> None:
    """Compile every transformer block, in place: all share one compiled form. State and names stay as they are."""
    for block in [each for each in module.modules() if isinstance(each, Block)]:
        block.compile(dynamic=True)


def _resume(task: Task, optimiser: Optimizer, plan: LoopPlan, folder: Path, config: str) -> int:
    checkpoint = load_checkpoint(folder, config, plan.data, world_size())
    if checkpoint is None:
        if rank() == 0:
            write_provenance(folder, config, 0)
            forget_metrics_from(folder, 0)
        return 0
    try:
        load_whole_state(task.module, optimiser, checkpoint.module, checkpoint.optimiser)
    except (RuntimeError, ValueError, LookupError) as error:
        raise BadCheckpoint(f"the checkpoint in {folder} {OTHER_DATA}") from error
    if rank() == 0:
        write_provenance(folder, config, checkpoint.step)
        forget_metrics_from(folder, checkpoint.step + 1)
        logger.info("%s: resumed from step %d", folder, checkpoint.step)
    return checkpoint.step


def _save(task: Task, optimiser: Optimizer, folder: Path, stand: Checkpoint) -> None:
    """Write where the run stands, together with the state of what learns."""
    module, steps = whole_state(task.module, optimiser)
    if rank() == 0:
        save_checkpoint(folder, replace(stand, module=module, optimiser=steps))
    wait_for_all()


def _step(
    task: Task, model: nn.Module, optimiser: Optimizer, plan: LoopPlan, step: int, batches: "_Batches"
) -> dict[str, float]:
    """One step of the optimiser; its losses, the gradient's norm and the learning rate."""
    rate = plan.lr * _factor(plan, step)
    for group in optimiser.param_groups:
        group["lr"] = rate * group.get("scale", 1.0)
    task.before_step(step)
    model.train()
    figures: dict[str, float] = {}
    for micro in range(plan.accumulate):
        batch = batches.take(step, micro)
        # Drop-path and dropout draw from here, so this too is a function of seed and step.
        torch.manual_seed(_seed(plan.seed, step, micro))
        losses: Mapping[str, Tensor] = model(batch)
        total = torch.stack(list(losses.values())).sum() / plan.accumulate
        if not torch.isfinite(total):
            raise Diverged(_divergence(step, f"the losses are {_named(losses)}"))
        total.backward()  # type: ignore[no-untyped-call]
        for name, loss in [*losses.items(), ("", total)]:
            key = f"loss/{name}" if name else "loss"
            part = 1.0 if not name else 1 / plan.accumulate
            figures[key] = figures.get(key, 0.0) + float(loss.detach()) * part
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    figures["gradient"] = float(whole_tensor(nn.utils.clip_grad_norm_(parameters, plan.clip)).detach())
    if not math.isfinite(figures["gradient"]):  # one step more, and a checkpoint would hold weights that are none
        raise Diverged(_divergence(step, f"the gradient's norm is {figures['gradient']}"))
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    task.after_step(step)
    return figures | {"lr": rate}


def _factor(plan: LoopPlan, step: int) -> float:
    """Of the learning rate, at this step."""
    if plan.milestones:
        return warmup_steps(step, plan.steps, warmup=plan.warmup, milestones=plan.milestones)
    return warmup_cosine(step, plan.steps, warmup=plan.warmup, last=plan.last_lr)


def _seed(seed: int, step: int, micro: int) -> int:
    return (seed * 1_000_003 + step) * 64 + micro


def _named(losses: Mapping[str, Tensor]) -> str:
    return ", ".join(f"{name} {float(loss.detach()):.4g}" for name, loss in losses.items())


def _divergence(step: int, fault: str) -> str:
    return (
        f"at step {step} {fault}, which has to be finite. Lower the learning rate, warm up longer, or look at the "
        "pictures of this batch"
    )


class _Meter:
    """Means of figures since they were last taken."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._count = 0

    def add(self, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1

    def take(self) -> dict[str, float]:
        means = {name: value / self._count for name, value in self._sums.items()}
        self._sums, self._count = {}, 0
        return means


class _Batches:
    """Makes the next batch in a thread of its own while the current one is trained on."""

    def __init__(self, task: Task, plan: LoopPlan, first: int, last: int) -> None:
        self._task, self._plan = task, plan
        self._order = [(step, micro) for step in range(first, last) for micro in range(plan.accumulate)]
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._next: Future[Mapping[str, Tensor]] | None = None
        self._place = 0

    def __enter__(self) -> "_Batches":
        self._begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def take(self, step: int, micro: int) -> Mapping[str, Tensor]:
        assert self._order[self._place] == (step, micro) and self._next is not None
        batch = self._next.result()
        self._place += 1
        self._begin()
        return batch

    def _begin(self) -> None:
        if self._place < len(self._order):
            step, micro = self._order[self._place]
            self._next = self._thread.submit(self._task.batch, step, micro, self._plan.device)
