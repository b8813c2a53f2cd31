"""Pre-training: self-distillation on pictures and clips together, with LSE's regions and UFLA's two kinds."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from model.data.augment import AugmentPlan, augment
from model.data.pack import Pixels
from model.data.samplers import TrackSampler
from model.layers.clip_layout import ClipLayout
from model.layers.prototype_head import PrototypeHead
from model.losses.dino import dino_loss
from model.losses.ibot import ibot_loss
from model.losses.koleo import koleo
from model.losses.lse import part_distillation, region_agreement
from model.losses.targets import Centre, sinkhorn_knopp
from model.losses.ufla import cross_kind
from model.precision import fast_autocast
from model.regions.cache import Bodies
from model.regions.pooling import RegionPool
from model.training.averaging import move_average
from model.training.batches import batch_number, batch_seed, pictures_at, two_frames
from model.training.config import PretrainConfig
from model.training.groups import frozen_blocks, make_optimiser, parameter_groups, slow_parts
from model.training.schedules import cosine_between
from model.training.sightings import Sightings, affinity_sightings, pose_sightings
from model.vills.network import Vills
from model.vills.seeding import drawn_from

VIEWS, SIGHTINGS = 2, 3


class Seen(nn.Module):
    """A network with the heads of self-distillation: what student and teacher both are."""

    def __init__(self, network: Vills, prototypes: int) -> None:
        super().__init__()
        channels = network.config.channels
        self.network = network
        self.whole = PrototypeHead(network.config.dimension, prototypes, hidden=1024)
        self.local = PrototypeHead(channels, prototypes, hidden=1024)  # patches and regions: both are local
        self.regions = RegionPool(channels)
        self.hidden = nn.Parameter(torch.zeros(channels))  # stands where a patch is masked


@dataclass(frozen=True, slots=True)
class Look:
    """What one side makes of a batch.

    tokens: (3B, 1 + L, C) of the sightings as images, sighting after sighting; image: (3B, D) their features; clip:
    (2B, D), the clips in view 1, then in view 2.
    """

    tokens: Tensor
    image: Tensor
    clip: Tensor


class PretrainModule(nn.Module):
    """Student, teacher (its average) and the centres of the teacher's targets."""

    def __init__(self, network: Vills, config: PretrainConfig) -> None:
        super().__init__()
        self.student = Seen(network, config.prototypes)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        self.centres = nn.ModuleDict({kind: Centre(config.prototypes) for kind in ("whole", "patch", "region")})
        self._config = config
        for block in frozen_blocks(network, config.network.frozen_blocks):
            block.requires_grad_(False)

    def train(self, mode: bool = True) -> "PretrainModule":
        super().train(mode)
        self.teacher.eval()
        for block in frozen_blocks(self.student.network, self._config.network.frozen_blocks):
            block.eval()
        return self

    def forward(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The weighted losses of a batch; see `PretrainTask.batch` for what is in it."""
        with torch.no_grad():
            known = self._look(self.teacher, batch, masked=False)
        seen = self._look(self.student, batch, masked=True)
        losses = self._whole(seen, known, batch)
        if self._config.losses.ibot:
            losses["ibot"] = self._config.losses.ibot * self._patches(seen, known, batch["hidden"])
        if self._config.losses.lse or self._config.losses.parts:
            losses |= self._local(seen, known, batch)
        return losses

    def _look(self, side: Seen, batch: Mapping[str, Tensor], *, masked: bool) -> Look:
        """Both views of every frame through the stem once; then as clips, and the sightings as images."""
        network, frames = side.network, batch["frames"]
        with fast_autocast(frames.device):
            patches, descriptor = network.stem(network.normalise(frames))  # (2F, L, C), (2F, S)
            layout = ClipLayout(batch["mask"].repeat(VIEWS, 1))
            clips = network.frame_features(network.tokens_of(patches, layout), descriptor)
            images = patches[batch["sighted"]]  # (3B, L, C)
            if masked:
                images = torch.where(batch["hidden"][..., None], side.hidden.to(images.dtype), images)
            still = ClipLayout(torch.ones(len(images), 1, dtype=torch.bool, device=frames.device))
            tokens = network.tokens_of(images, still)
            image = network.frame_features(tokens, descriptor[batch["sighted"]])
            return Look(tokens, image, layout.mean(clips.float()))

    def _whole(self, seen: Look, known: Look, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """DINO over views of pictures and of clips, UFLA between the two kinds, KoLeo."""
        weights, heat = self._config.losses, self._config.student_temperature
        n_tracks = len(batch["mask"])
        said = torch.split(self.student.whole(torch.cat((seen.image, seen.clip))), n_tracks)
        meant_logits = self.teacher.whole(torch.cat((known.image, known.clip)))
        meant = torch.split(self._targets("whole", meant_logits), n_tracks)
        images, clips = said[:SIGHTINGS], said[SIGHTINGS:]
        true_images, true_clips = meant[:SIGHTINGS], meant[SIGHTINGS:]
        losses = {}
        if weights.dino:
            # Pictures teach with the anchor's two views; the other frame only learns.
            pictures = dino_loss(images, true_images[:VIEWS], student_temperature=heat)
            films = dino_loss(clips, true_clips, student_temperature=heat)
            losses["dino"] = weights.dino * 0.5 * (pictures + films)
        if weights.ufla:
            # Across views as well as across kinds. A clip of one frame is that frame, and says nothing new.
            moving = (batch["mask"].sum(dim=1) > 1).float()
            pairs = ((0, 1), (1, 0))
            across = [
                cross_kind(images[v], clips[w], true_images[v], true_clips[w], weight=moving, student_temperature=heat)
                for v, w in pairs
            ]
            losses["ufla"] = weights.ufla * torch.stack(across).mean()
        if weights.koleo:
            losses["koleo"] = weights.koleo * koleo(seen.image[:n_tracks], batch["track"])
        return losses

    def _patches(self, seen: Look, known: Look, hidden: Tensor) -> Tensor:
        """iBOT: what the teacher sees where the student's picture is masked; hidden (3B, L)."""
        said = self.student.local(seen.tokens[:, 1:][hidden])
        with torch.no_grad():
            meant = self._targets("patch", self.teacher.local(known.tokens[:, 1:][hidden]))
        return ibot_loss(said, meant, hidden, student_temperature=self._config.student_temperature)

    def _local(self, seen: Look, known: Look, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """LSE: the same region means the same in every sighting, and part queries follow regions."""
        weights = self._config.losses
        places = self._sightings(known, batch)
        flat = places.weights.flatten(0, 1)  # (3B, R, L)
        said, visible = self.student.regions(seen.tokens[:, 1:], flat)  # (3B, R, C), (3B, R)
        with torch.no_grad():
            meant, _ = self.teacher.regions(known.tokens[:, 1:], flat)
            targets = self._targets("region", self.teacher.local(meant), visible)
        losses = {}
        if weights.lse:
            shown = _by_sighting(visible).flatten(1)  # (S, B R)
            losses["lse"] = weights.lse * region_agreement(
                _by_sighting(self.student.local(said)).flatten(1, 2),
                _by_sighting(targets).flatten(1, 2),
                shown,
                shown,
                student_temperature=self._config.student_temperature,
            )
        if weights.parts:
            parts = self.student.network.parts(seen.tokens[:, 1:].float())
            losses["parts"] = weights.parts * part_distillation(parts, meant, places.parts.flatten(0, 1))
        return losses

    @torch.no_grad()
    def _sightings(self, known: Look, batch: Mapping[str, Tensor]) -> Sightings:
        generator = torch.Generator().manual_seed(int(batch["seed"]))
        grid, points = self.student.network.config.grid, self._config.regions.points
        geometry = _by_sighting(batch["geometry"])
        parts = self.student.network.config.parts
        if self._config.regions.proposer == "pose":
            return pose_sightings(
                batch["keypoints"],
                batch["bodies"],
                geometry,
                grid,
                points=points,
                parts=parts,
                generator=generator,
            )
        tokens = _by_sighting(known.tokens[:, 1:])
        return affinity_sightings(tokens, geometry, grid, points=points, parts=parts, generator=generator)

    def _targets(self, kind: str, logits: Tensor, used: Tensor | None = None) -> Tensor:
        """The teacher's targets, of the shape of its logits. `used`: rows that count, which the others must not move.

        By the mean: of the centre as it was; then it moves. By Sinkhorn's balance of these rows: it has no state, and
        rows that do not count are 0.
        """
        if self._config.centring == "sinkhorn":
            rows = torch.ones(logits.shape[:-1], dtype=torch.bool, device=logits.device) if used is None else used
            balanced = torch.zeros_like(logits, dtype=torch.float32)
            balanced[rows] = sinkhorn_knopp(logits[rows], self._config.teacher_temperature)
            return balanced
        centre = self.centres[kind]
        assert isinstance(centre, Centre)
        targets: Tensor = centre(logits, self._config.teacher_temperature)
        if self.training:
            centre.update(logits if used is None else logits[used])
        return targets


@dataclass(frozen=True, slots=True)
class PretrainData:
    """What a run draws its batches from."""

    pixels: Pixels  # (N, H, W, 3)
    sampler: TrackSampler
    bodies: Bodies | None  # row for row; needed by the pose proposer


class PretrainTask:
    """The self-supervised task; see `model.training.task.Task`."""

    def __init__(self, network: Vills, config: PretrainConfig, data: PretrainData) -> None:
        with drawn_from(config.seed):  # a resumed run must begin where the first one did
            self.module = PretrainModule(network, config)
        self._config = config
        self._data = data
        self._plan = AugmentPlan(**config.augment.model_dump())
        self._n_patches = network.config.grid[0] * network.config.grid[1]

    @property
    def kept(self) -> Vills:
        """The network whose weights are kept: the teacher's."""
        return self.module.teacher.network

    def batch(self, step: int, micro: int, device: str) -> Mapping[str, Tensor]:
        """Two views of F frames of B clips.

        frames (2F, 3, H, W) 0-255, all of view 1 first; mask (B, T); track (B,); sighted (3B,) rows of `frames`;
        geometry (3B, 2, 3) of the sightings; hidden (3B, L) patches masked in them; keypoints (2, B, 33, 3) and bodies
        (2, B, h, w) of anchor and other frame, where they are known; seed, for prompts.
        """
        number = batch_number(step, micro, self._config.schedule.accumulate)
        seed = batch_seed(self._config.seed, number)
        draw = self._data.sampler.draw(number)
        rows = draw.rows[draw.mask]  # (F,)
        clip = torch.from_numpy(np.nonzero(draw.mask)[0])
        frames = pictures_at(self._data.pixels, rows, device)
        generator = torch.Generator().manual_seed(seed)
        views = [augment(frames, clip.to(device), self._plan, generator) for _ in range(VIEWS)]
        anchor, other = two_frames(draw, np.random.default_rng(seed))
        sighted = torch.from_numpy(np.concatenate((anchor, anchor + len(rows), other)))
        batch = {
            "frames": torch.cat([view.frames for view in views]),
            "mask": torch.from_numpy(draw.mask),
            "track": torch.from_numpy(draw.track),
            "sighted": sighted,
            "geometry": torch.cat([view.geometry for view in views])[sighted.to(device)],
            "hidden": self._hidden(len(sighted), generator),
            "seed": torch.tensor(seed),
        }
        if self._data.bodies is not None:
            both = np.stack((rows[anchor], rows[other]))
            batch["keypoints"] = torch.from_numpy(self._data.bodies.keypoints[both])
            batch["bodies"] = torch.from_numpy(self._data.bodies.masks[both])
        return {name: value.to(device) for name, value in batch.items()}

    def _hidden(self, n_pictures: int, generator: torch.Generator) -> Tensor:
        """Which patches the student does not see: bool (n, L). Some pictures are masked, each by a part of its own.

        Without iBOT none is: what masks cost is left out with it.
        """
        masked = self._config.masked_pictures if self._config.losses.ibot else 0.0
        chosen = torch.rand(n_pictures, generator=generator) < masked
        least, most = self._config.masked_part
        part = torch.rand(n_pictures, generator=generator) * (most - least) + least
        order = torch.rand(n_pictures, self._n_patches, generator=generator).argsort(dim=1).argsort(dim=1)
        return chosen[:, None] & (order < (part * self._n_patches).round()[:, None])

    def optimiser(self) -> Optimizer:
        schedule = self._config.schedule
        slow = slow_parts(self.module.student.network, self._config.network)
        groups = parameter_groups(self.module.student, slow, weight_decay=schedule.weight_decay)
        return make_optimiser(schedule.optimiser, groups, schedule.lr)

    def before_step(self, step: int) -> None:
        """Nothing here depends on the step."""

    def after_step(self, step: int) -> None:
        decay = cosine_between(step, self._config.schedule.steps, self._config.teacher_momentum, 1.0)
        move_average(self.module.teacher, self.module.student, decay)


def _by_sighting(rows: Tensor) -> Tensor:
    """(3B, ...) -> (3, B, ...)."""
    return rows.reshape(SIGHTINGS, len(rows) // SIGHTINGS, *rows.shape[1:])
