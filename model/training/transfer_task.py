"""Learning attributes of pictures from one data set so that they hold on another."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from model.data.augment import AugmentPlan
from model.data.pack import Pixels
from model.layers.imagenet_pixels import ImagenetPixels
from model.precision import fast_autocast
from model.systems.attribute_transfer import AttributeTransfer
from model.training.batches import augmented, batch_number, batch_seed, pictures_at
from model.training.groups import make_optimiser, parameter_groups
from model.training.transfer_config import TransferRun

Table = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TransferData:
    """Pictures of both data sets, the labelled ones first: rows 0 to S - 1, then those of the target."""

    pixels: Pixels  # (S + N, H, W, 3)
    attributes: Table  # (S, A) of 0 and 1

    def drawn(self, labelled: int, target: int, seed: tuple[int, ...]) -> npt.NDArray[np.int64]:
        """Rows of a batch, the labelled ones first; none twice, as far as there are so many."""
        rng, have = np.random.default_rng(seed), len(self.attributes)
        rest = len(self.pixels) - have
        first = rng.choice(have, labelled, replace=labelled > have)
        return np.concatenate([first, have + rng.choice(rest, target, replace=target > rest)])


class TransferModule(nn.Module):
    """The network, and how pixels are fed to it."""

    def __init__(self, network: AttributeTransfer) -> None:
        super().__init__()
        self.network = network
        self.pixels = ImagenetPixels()

    def forward(self, batch: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The weighted losses; see `TransferTask.batch` for what is in it."""
        with fast_autocast(batch["source"].device):
            source, target = self.pixels(batch["source"]), self.pixels(batch["target"])
            return self.network.losses(source, batch["labels"], target)


class TransferTask:
    """See `model.training.task.Task`."""

    def __init__(self, network: AttributeTransfer, config: TransferRun, data: TransferData) -> None:
        self.module = TransferModule(network)
        self._config = config
        self._data = data
        self._plan = AugmentPlan(**config.augment.model_dump())

    def batch(self, step: int, micro: int, device: str) -> Mapping[str, Tensor]:
        """`source` (S, 3, H, W), 0-255, with `labels` (S, A), and `target` (N, 3, H, W)."""
        config, labelled = self._config, self._config.labelled.share
        number = batch_number(step, micro, config.schedule.accumulate)
        rows = self._data.drawn(labelled, config.target.share, (config.seed, number))
        frames = pictures_at(self._data.pixels, rows, device)
        each = torch.arange(len(rows), device=device)
        shown = augmented(frames, each, self._plan, batch_seed(config.seed, number))
        labels = torch.from_numpy(self._data.attributes[rows[:labelled]]).to(device)
        return {"source": shown[:labelled], "labels": labels, "target": shown[labelled:]}

    def optimiser(self) -> Optimizer:
        schedule = self._config.schedule
        groups = parameter_groups(self.module, weight_decay=schedule.weight_decay)
        return make_optimiser(schedule.optimiser, groups, schedule.lr)

    def before_step(self, step: int) -> None:
        """Nothing here depends on the step."""

    def after_step(self, step: int) -> None:
        """No average is kept."""
