"""Fine-tuning: identities, triplets over images and clips, and what a teacher network knows."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from model.data.augment import AugmentPlan
from model.data.errors import MissingData
from model.data.pack import Pixels
from model.data.samplers import PersonSampler
from model.layers.clip_layout import ClipLayout
from model.losses.identity import identity_loss
from model.losses.propagation import distance_propagation, feature_propagation
from model.losses.regression import direction_loss
from model.losses.relational import cosine_difference, neighbour_divergence
from model.losses.triplet import four_pairings
from model.precision import fast_autocast
from model.training.averaging import move_average
from model.training.batches import augmented, batch_number, batch_seed, pictures_at
from model.training.config import FinetuneConfig
from model.training.groups import frozen_blocks, make_optimiser, parameter_groups, slow_parts
from model.training.heads import features_of, fit_classifier, fit_regressor, pictures_of
from model.training.schedules import ema_decay
from model.training.sharding import whole_copy, whole_network
from model.vills.network import Vills
from model.vills.seeding import drawn_from

TeacherVectors = npt.NDArray[np.float16]  # (N, Dt), row for row of the pack


@dataclass(frozen=True, slots=True)
class FinetuneData:
    """What a run draws its batches from."""

    pixels: Pixels  # (N, H, W, 3)
    sampler: PersonSampler
    teacher: TeacherVectors | None


class FinetuneModule(nn.Module):
    """The network, the average of its weights, and the classifiers that training needs and inference does not."""

    domain_of_person: Tensor

    def __init__(self, network: Vills, config: FinetuneConfig, domain_of_person: Tensor, teacher_size: int) -> None:
        super().__init__()
        dimension = network.config.dimension
        self.network = network
        self.average = copy.deepcopy(network).requires_grad_(False)
        self.early = copy.deepcopy(self.average) if config.early is not None else None
        self.classifier = nn.Linear(dimension, len(domain_of_person), bias=False)
        nn.init.normal_(self.classifier.weight, std=0.001)
        self.regressor = nn.Linear(dimension, teacher_size) if teacher_size else None
        self.register_buffer("domain_of_person", domain_of_person)
        self._losses = config.losses
        self._images = config.images
        self._frozen = config.network.frozen_blocks
        for block in frozen_blocks(network, self._frozen):
            block.requires_grad_(False)

    def train(self, mode: bool = True) -> "FinetuneModule":
        super().train(mode)
        self.average.eval()
        if self.early is not None:
            self.early.eval()
        for block in frozen_blocks(self.network, self._frozen):
            block.eval()  # their statistics stay ImageNet's, too
        return self

    def forward(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The weighted losses of a batch; see `FinetuneTask.batch` for what is in it."""
        layout = ClipLayout(batch["mask"])
        image, video = self.features(batch["frames"], layout)
        both = self.network.neck.norm(torch.cat((image, video)))  # (F + B, D)
        losses = self._supervised(both, batch)
        if self.regressor is not None:
            losses |= self._distilled(image, batch["teacher"].float(), layout)
        return losses

    def _distilled(self, image: Tensor, teacher: Tensor, layout: ClipLayout) -> dict[str, Tensor]:
        """What the teachers are asked: of what the neck is given for images, (F, D), and of its means over clips.

        They know pictures, and of a clip no more than the mean of its frames; so that is what they are asked about, and
        not the clip itself. Asked about that, or where clips have a part in what images are normalised by, adapters
        learn one thing from them: to move all clips of more than one frame alike, away from images. In 600 steps that
        took four points of mAP off V2V.
        """
        weights, losses, norm = self._losses, {}, self.network.neck.norm
        normal = F.batch_norm(image, None, None, norm.weight, norm.bias, training=True, eps=norm.eps)
        seen, wanted = (torch.cat((each, layout.mean(each))) for each in (normal, teacher))
        if weights.distil:
            relations = neighbour_divergence(seen, wanted, temperature=weights.distil_temperature)
            losses["distil"] = weights.distil * relations
        if weights.cosines:
            losses["cosines"] = weights.cosines * cosine_difference(seen, wanted)
        if weights.regress:
            assert self.regressor is not None
            losses["regress"] = weights.regress * direction_loss(self.regressor(seen), wanted)
        return losses

    def features(self, frames: Tensor, layout: ClipLayout) -> tuple[Tensor, Tensor]:
        """Every frame as an image, (F, D), and every clip, (B, D), of frames (F, 3, H, W): one pass of the stem.

        Without images there are none, (0, D).
        """
        network = self.network
        with fast_autocast(frames.device):
            patches, descriptor = network.stem(network.normalise(frames))
            seen = network.without_time(patches)
            video = network.frame_features(network.with_time(seen, layout), descriptor)
            if not self._images:
                return video[:0].float(), layout.mean(video.float())
            still = ClipLayout(torch.ones(len(frames), 1, dtype=torch.bool, device=frames.device))
            image = network.frame_features(network.with_time(seen, still), descriptor)
        return image.float(), layout.mean(video.float())

    def _supervised(self, both: Tensor, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Losses that know who is who, of images and clips behind the neck, (F + B, D)."""
        weights, clip = self._losses, batch["clip"] if self._images else batch["clip"][:0]
        # Triplets and propagation compare what retrieval compares. Before the neck, without unit length, shrinking all
        # features was the easiest way to a smaller loss, and took the first hundreds of steps.
        unit = F.normalize(both, dim=1)
        image, video = unit[: len(clip)], unit[len(clip) :]
        person, track, domain = batch["person"], batch["track"], batch["domain"]
        of_both = [torch.cat((values[clip], values)) for values in (person, domain)]
        losses = {}
        if weights.identity:
            logits = self.classifier(both)
            losses["identity"] = weights.identity * identity_loss(
                logits, of_both[0], self.domain_of_person, of_both[1], weights.smoothing
            )
        if weights.triplet:
            losses["triplet"] = weights.triplet * four_pairings(
                image,
                video,
                person[clip],
                person,
                margin=weights.margin,
                image_track=track[clip],
                video_track=track,
                image_domain=domain[clip],
                video_domain=domain,
            )
        if weights.propagation:
            losses["propagation"] = weights.propagation * feature_propagation(image, video[clip])
        if weights.distances:
            losses["distances"] = weights.distances * distance_propagation(image, video[clip])
        return losses


class FinetuneTask:
    """The supervised task; see `model.training.task.Task`."""

    def __init__(self, network: Vills, config: FinetuneConfig, data: FinetuneData) -> None:
        domains = torch.from_numpy(data.sampler.data.domain_of_person)
        teacher_size = 0 if data.teacher is None else data.teacher.shape[1]
        with drawn_from(config.seed):  # a resumed run must begin where the first one did
            self.module = FinetuneModule(network, config, domains, teacher_size)
        self._config = config
        self._data = data
        self._plan = AugmentPlan(**config.augment.model_dump())

    @property
    def kept(self) -> Vills:
        """The network whose weights are kept: the average, or what lies between an early one and it.

        Every process has to ask. Weights far apart on one way of training are often better together, and on cameras
        nobody trained on above all (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022).
        """
        average, early = self.module.average, self.module.early
        if early is None:
            return average
        assert self._config.early is not None
        between = whole_copy(average)
        move_average(between, whole_network(early), 1 - self._config.early.share)
        return between

    @property
    def n_pictures(self) -> int:
        """How many pictures there are to learn from."""
        return self._data.sampler.data.n_pictures

    def fit_heads(self, device: str, step: Callable[[int], None]) -> None:
        """Begin the classifier and the regressor from what the network says of every picture; `step` counts them.

        Raises:
            MissingData: there is a single picture.
        """
        rows, person = pictures_of(self._data.sampler.data)
        if len(rows) < 2:
            raise MissingData("there is one picture of persons to train on: give at least two, of two persons")
        features = features_of(self.module.network, self._data.pixels, rows, device, step)
        domains, smoothing = self.module.domain_of_person.cpu(), self._config.losses.smoothing
        fit_classifier(self.module.classifier, features, torch.from_numpy(person), domains, smoothing)
        if self.module.regressor is not None:
            assert self._data.teacher is not None
            fit_regressor(self.module.regressor, features, torch.from_numpy(self._data.teacher[rows]))

    def batch(self, step: int, micro: int, device: str) -> Mapping[str, Tensor]:
        """Frames (F, 3, H, W) 0-255 of B clips, `mask` (B, T), `clip` (F,) which clip a frame is of; per clip `person`,
        `track`, `domain`; `teacher` (F, Dt)."""
        number = batch_number(step, micro, self._config.schedule.accumulate)
        draw = self._data.sampler.draw(number)
        rows = draw.rows[draw.mask]  # (F,)
        clip = torch.from_numpy(np.nonzero(draw.mask)[0]).to(device)
        frames = pictures_at(self._data.pixels, rows, device)
        batch = {
            "frames": augmented(frames, clip, self._plan, batch_seed(self._config.seed, number)),
            "mask": torch.from_numpy(draw.mask).to(device),
            "clip": clip,
            "person": torch.from_numpy(draw.person).to(device),
            "track": torch.from_numpy(draw.track).to(device),
            "domain": torch.from_numpy(draw.domain).to(device),
        }
        if self._data.teacher is not None:
            batch["teacher"] = torch.from_numpy(self._data.teacher[rows]).to(device)
        return batch

    def optimiser(self) -> Optimizer:
        schedule = self._config.schedule
        slow = slow_parts(self.module.network, self._config.network)
        groups = parameter_groups(self.module, slow, weight_decay=schedule.weight_decay)
        return make_optimiser(schedule.optimiser, groups, schedule.lr)

    def before_step(self, step: int) -> None:
        """Nothing here depends on the step."""

    def after_step(self, step: int) -> None:
        module, early = self.module, self._config.early
        move_average(module.average, module.network, ema_decay(step, self._config.schedule.average))
        if module.early is not None and early is not None and step + 1 == early.step:
            module.early.load_state_dict(module.average.state_dict())
