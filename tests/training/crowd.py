"""A few persons as coloured noise, in memory: enough to tell whether training works, in seconds."""

from pathlib import Path

import numpy as np

from model.data.pack import Pixels
from model.data.records import Picture
from model.data.samplers import PersonSampler, TrackSampler
from model.data.training_set import TrainingSet, training_set
from model.regions.cache import Bodies
from model.training.config import FinetuneConfig, PretrainConfig
from model.training.config_files import checked
from model.training.finetune import FinetuneData, FinetuneTask
from model.training.pretrain import PretrainData, PretrainTask
from model.vills.seeding import seeded_network
from tests.model.small import SMALL

SOURCES = [{"data": "drawn", "share": 4}, {"data": "other", "share": 2}]
PERSONS = (6, 3)
TRACKS, FRAMES = 2, 3  # of a person, of a track


def pictures() -> list[list[Picture]]:
    """Two data sets of PERSONS; each person has a track of FRAMES pictures before each of two cameras."""
    return [
        [
            Picture(Path(f"{source}-{person}-{camera}-{frame}.png"), person, camera, track=camera, frame=frame)
            for person in range(1, persons + 1)
            for camera in range(TRACKS)
            for frame in range(FRAMES)
        ]
        for source, persons in enumerate(PERSONS)
    ]


def pixels() -> Pixels:
    """Row for row of `pictures`: a colour for each half of a person, and noise."""
    rng = np.random.default_rng(0)
    shown = []
    for source in pictures():
        halves = {person: rng.integers(40, 215, (2, 3)) for person in {picture.person for picture in source}}
        for picture in source:
            whole = np.repeat(halves[picture.person], SMALL.height // 2, axis=0)[:, None]
            noise = rng.integers(-30, 31, (SMALL.height, SMALL.width, 3))
            shown.append(np.clip(whole + noise, 0, 255).astype(np.uint8))
    return np.stack(shown)


def data() -> TrainingSet:
    return training_set(pictures())


def finetune_config(**changes: object) -> FinetuneConfig:
    values: dict[str, object] = {
        "sources": SOURCES,
        "frames": FRAMES,
        "schedule": {"steps": 6, "lr": 1e-3, "warmup": 2, "average": 0.9},
        "network": {"encoder": "vills-test", "height": SMALL.height, "width": SMALL.width},
    }
    return checked(FinetuneConfig, values | changes, "test")


def finetune_task(config: FinetuneConfig, *, taught: bool = True) -> FinetuneTask:
    shares = [source.share for source in config.sources]
    sampler = PersonSampler(data(), shares, config.tracks, config.frames, config.seed)
    shown = pixels()
    teacher = shown.reshape(len(shown), -1, 3).mean(axis=1).astype(np.float16) if taught else None
    return FinetuneTask(seeded_network(SMALL, 3), config, FinetuneData(shown, sampler, teacher))


def pretrain_config(**changes: object) -> PretrainConfig:
    values: dict[str, object] = {
        "sources": SOURCES,
        "frames": FRAMES,
        "prototypes": 16,
        "schedule": {"steps": 6, "lr": 1e-3, "warmup": 2},
        "network": {"encoder": "vills-test", "height": SMALL.height, "width": SMALL.width},
    }
    return checked(PretrainConfig, values | changes, "test")


def pretrain_task(config: PretrainConfig) -> PretrainTask:
    shares = [source.share for source in config.sources]
    sampler = TrackSampler(data(), shares, config.frames, config.seed)
    bodies = drawn_bodies(len(pixels())) if config.regions.proposer == "pose" else None
    return PretrainTask(seeded_network(SMALL, 3), config, PretrainData(pixels(), sampler, bodies))


def drawn_bodies(count: int) -> Bodies:
    """Upright persons that fill their crops, all alike."""
    x, y = np.full(33, 0.5), np.linspace(0.1, 0.9, 33)
    x[11:33] += np.where(np.arange(11, 33) % 2, -0.15, 0.15)
    y[[11, 12]], y[[23, 24]], y[[25, 26]], y[[27, 28]], y[[31, 32]] = 0.25, 0.55, 0.72, 0.9, 0.95
    points = np.stack((x, y, np.ones(33)), axis=1)
    masks = np.zeros((count, 32, 16), np.uint8)
    masks[:, 2:31, 3:13] = 255
    return Bodies(np.broadcast_to(points, (count, 33, 3)).astype(np.float16), masks, np.ones(count, np.float16))
