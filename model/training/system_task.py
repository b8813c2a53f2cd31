"""Training a published system by its own losses."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from model.data.augment import AugmentPlan
from model.data.pack import PixelRows
from model.data.samplers import ClipSampler, Draw
from model.precision import fast_autocast
from model.systems.network import SystemNetwork
from model.systems.system import Batch
from model.training.averaging import move_average
from model.training.batches import augmented, batch_number, batch_seed, pictures_at
from model.training.groups import make_optimiser, parameter_groups, trunk_parameters
from model.training.schedules import ema_decay
from model.training.system_config import SystemRun
from model.vills.seeding import drawn_from

Attributes = npt.NDArray[np.float32]  # (N, A) of 0 and 1, row for row of the pack


@dataclass(frozen=True, slots=True)
class SystemData:
    """What a run draws its batches from."""

    pixels: PixelRows  # (N, H, W, 3)
    sampler: ClipSampler
    attributes: Attributes | None


class SystemModule(nn.Module):
    """The network, the average of its weights where one is kept, and what training needs beside it."""

    def __init__(self, network: SystemNetwork, heads: nn.Module, *, averaged: bool) -> None:
        super().__init__()
        self.network = network
        self.heads = heads
        self.average = copy.deepcopy(network).requires_grad_(False) if averaged else None

    def train(self, mode: bool = True) -> "SystemModule":
        super().train(mode)
        if self.average is not None:
            self.average.eval()
        return self

    def forward(self, batch: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The weighted losses of a batch; see `SystemTask.batch` for what is in it."""
        frames = batch["frames"]  # (B, T, 3, H, W)
        with fast_autocast(frames.device):
            shown = Batch(
                self.network.normalise(frames),
                batch["person"],
                batch["track"],
                batch["camera"],
                batch.get("attributes"),
                batch.get("clear"),
            )
            return self.losses(shown)

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        """The system's own; a stage that trains something else says so here."""
        return self.network.system.losses(batch, self.heads)


class SystemTask:
    """One system, whole; see `model.training.task.Task`."""

    def __init__(self, network: SystemNetwork, config: SystemRun, data: SystemData) -> None:
        with drawn_from(config.seed):  # a resumed run must begin where the first one did
            self.module = self._module(network, config, data)
        self._config = config
        self._data = data
        self._plan = AugmentPlan(**config.augment.model_dump())

    def _module(self, network: SystemNetwork, config: SystemRun, data: SystemData) -> SystemModule:
        heads = network.system.training_heads(data.sampler.data.n_persons)
        return SystemModule(network, heads, averaged=config.schedule.average > 0)

    @property
    def kept(self) -> SystemNetwork:
        """The network whose weights are kept: the average, where there is one."""
        return self.module.network if self.module.average is None else self.module.average

    @property
    def n_pictures(self) -> int:
        """How many pictures there are to learn from."""
        return self._data.sampler.data.n_pictures

    def batch(self, step: int, micro: int, device: str) -> Mapping[str, Tensor]:
        """`frames` (B, T, 3, H, W), 0-255; per clip `person`, `track`, `camera`; and what `_known` adds."""
        number = batch_number(step, micro, self._config.schedule.accumulate)
        draw = self._data.sampler.draw(number)
        rows, length = draw.rows.reshape(-1), draw.rows.shape[1]  # every frame is real
        frames = pictures_at(self._data.pixels, rows, device)
        clip = torch.arange(len(draw.rows), device=device).repeat_interleave(length)
        shown = augmented(frames, clip, self._plan, batch_seed(self._config.draws, number))
        batch = {"frames": shown.view(len(draw.rows), length, *shown.shape[1:])}
        for name in ("person", "track", "camera"):
            batch[name] = torch.from_numpy(getattr(draw, name)).to(device)
        return batch | self._known(draw, device)

    def _known(self, draw: Draw, device: str) -> dict[str, Tensor]:
        """What else is known of what was drawn: `attributes` (B, A), where the data have them."""
        if self._data.attributes is None:
            return {}
        return {"attributes": torch.from_numpy(self._data.attributes[draw.rows[:, 0]]).to(device)}

    def optimiser(self) -> Optimizer:
        schedule = self._config.schedule
        slow = [(self._config.trunk_rate, trunk_parameters(self.module.network))]
        groups = parameter_groups(self.module, slow, weight_decay=schedule.weight_decay)
        return make_optimiser(schedule.optimiser, groups, schedule.lr)

    def before_step(self, step: int) -> None:
        """Nothing here depends on the step."""

    def after_step(self, step: int) -> None:
        if self.module.average is not None:
            decay = ema_decay(step, self._config.schedule.average)
            move_average(self.module.average, self.module.network, decay)
