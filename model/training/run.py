"""A run from configuration to weights: data, teacher, network and task put together."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from model.build import build_encoder
from model.data.attributes import attributes_of
from model.data.pack import PixelRows
from model.data.records import Picture
from model.data.samplers import ClipSampler, PersonSampler, TrackSampler
from model.data.teacher import teacher_vectors
from model.data.training_set import training_set
from model.regions.cache import Bodies, cached_bodies
from model.training.checkpoint import has_checkpoint, load_checkpoint
from model.training.completed import completed
from model.training.completer import check_before, completes, recall
from model.training.completion import CompletionTask
from model.training.config import FinetuneConfig, PretrainConfig
from model.training.distributed import rank, wait_for_all, world_size
from model.training.errors import BadConfig
from model.training.finetune import FinetuneData, FinetuneTask, TeacherVectors
from model.training.loop import train
from model.training.origin import AnyRun, begins_with, kept_origin
from model.training.place import Progress, RunPlace, data_digest, dataset_of, loop_plan, packed, ready, told
from model.training.pretrain import PretrainData, PretrainTask
from model.training.record import code_version
from model.training.sharding import whole_network
from model.training.start import network_config, starting_network
from model.training.system_config import SystemRun
from model.training.system_start import starting_system
from model.training.system_task import SystemData, SystemTask
from model.training.task import NetworkTask
from model.vills.config import VillsConfig
from model.vills.network import Vills
from model.weights import load_weights, save_weights

WEIGHTS = "weights.safetensors"


def run(config: AnyRun, place: RunPlace, progress: Progress) -> Path | None:
    """The run that the configuration is of; see `finetune`, `pretrain` and `train_system`."""
    if isinstance(config, SystemRun):
        return train_system(config, place, progress)
    return (
        finetune(config, place, progress) if isinstance(config, FinetuneConfig) else pretrain(config, place, progress)
    )


def finetune(config: FinetuneConfig, place: RunPlace, progress: Progress) -> Path | None:
    """Fine-tune as the configuration says; the file of the averaged weights (fp16 safetensors).

    None where the run was to stop before its last step.

    Raises:
        DataError: a data set is missing or not whole.
        TrainingError: the configuration, a checkpoint or a loss.
    """
    shape = network_config(config.network)
    with ready(place) as place:
        pictures = [dataset_of(source, place.data).train for source in config.sources]
        pack = packed(pictures, shape.height, shape.width, place, progress)
        teacher = _teachers(config, pictures, place, progress)
        shares = [source.share for source in config.sources]
        sampler = PersonSampler(training_set(pictures), shares, config.tracks, config.frames, config.seed)
        network = _network(config, shape, place)
        task = FinetuneTask(network, config, FinetuneData(pack.pixels, sampler, teacher))
        if config.heads == "fitted" and not has_checkpoint(place.out):
            with progress("fitting the heads", task.n_pictures) as step:
                task.fit_heads(place.device, step)
        return _trained(task, config, data_digest(pack, pictures), place, progress)


def train_system(config: SystemRun, place: RunPlace, progress: Progress) -> Path | None:
    """Train a published system, or one stage of it, as the configuration says; the file of its weights.

    Raises: as `finetune`.
    """
    with ready(place) as place:
        pictures = [dataset_of(source, place.data).train for source in config.sources]
        known = attributes_of(pictures, config.attributes) if config.attributes else None
        shape = config.network_config(() if known is None else known.sizes)
        weights, stem = _beginning(config, place)
        if not has_checkpoint(place.out):
            check_before(config, load_weights(weights).config if weights else None, str(weights))
        pack = packed(pictures, shape.height, shape.width, place, progress)
        shares = [source.share for source in config.sources]
        people = PersonSampler(training_set(pictures), shares, config.tracks, shape.settings.frames, config.draws)
        sampler = ClipSampler(people, config.clips.rule, config.clips.stride)
        network = starting_system(shape, config.seed, weights=weights, stem_weights=stem)
        digest = data_digest(pack, pictures)
        pixels: PixelRows = pack.pixels
        if config.stage == "whole" and completes(network):
            recall(network, load_checkpoint(place.out, config.model_dump_json(), digest, world_size()))
            pixels = completed(network, pack.pixels, sampler.data, digest, place, progress)
        data = SystemData(pixels, sampler, None if known is None else known.table)
        if config.stage != "completion":
            return _trained(SystemTask(network, config, data), config, digest, place, progress)
        task = CompletionTask(network, config, data)
        if not has_checkpoint(place.out):
            with progress("looking for what is hidden", task.n_pictures) as step:
                task.find_clear(place.device, step)
            with progress("fitting the guider", task.n_pictures) as step:
                task.fit_guider(place.device, step)
        return _trained(task, config, digest, place, progress)


def pretrain(config: PretrainConfig, place: RunPlace, progress: Progress) -> Path | None:
    """Pre-train as the configuration says; the file of the teacher's weights (fp16 safetensors).

    Raises: as `finetune`; RegionError where the pose network cannot be run.
    """
    shape, pose = network_config(config.network), pose_network(config, place)
    with ready(place) as place:
        pictures = [dataset_of(source, place.data).train for source in config.sources]
        pack = packed(pictures, shape.height, shape.width, place, progress)
        shares = [source.share for source in config.sources]
        sampler = TrackSampler(training_set(pictures), shares, config.frames, config.seed)
        bodies = None if pose is None else _bodies(pictures, pose, place, progress)
        task = PretrainTask(_network(config, shape, place), config, PretrainData(pack.pixels, sampler, bodies))
        return _trained(task, config, data_digest(pack, pictures), place, progress)


def _network(config: FinetuneConfig | PretrainConfig, shape: VillsConfig, place: RunPlace) -> Vills:
    weights, stem = _beginning(config, place)
    start = config.network.adapter_start
    return starting_network(shape, config.seed, weights=weights, stem_weights=stem, adapter_start=start)


def _beginning(config: AnyRun, place: RunPlace) -> tuple[Path | None, Path | None]:
    """Weights to begin with, and others for the stem. A run that goes on has all of its own, and reads neither."""
    return (None, None) if has_checkpoint(place.out) else begins_with(config, place)


def _trained(task: NetworkTask, config: AnyRun, data: str, place: RunPlace, progress: Progress) -> Path | None:
    """Run the loop; when its last step is done, the weights are written. None where it was to stop before."""
    origin = kept_origin(config, place)
    plan = loop_plan(config.schedule, config.seed, place, data)
    with progress("training", plan.steps) as step:
        done = train(task, plan, place.out, config.model_dump_json(), told(step))
    if done < plan.steps:
        return None
    kept = whole_network(task.kept)
    if rank() == 0:
        save_weights(place.out / WEIGHTS, kept, replace(origin, code=code_version()), half=True)
    return place.out / WEIGHTS


def _teachers(
    config: FinetuneConfig, pictures: Sequence[Sequence[Picture]], place: RunPlace, progress: Progress
) -> TeacherVectors | None:
    """What all teachers see, side by side, so that a cosine is the mean of theirs: (N, sum of Dt)."""
    if not config.teachers:
        return None
    return np.hstack([_teacher(name, pictures, place, progress) for name in config.teachers])


def _teacher(name: str, pictures: Sequence[Sequence[Picture]], place: RunPlace, progress: Progress) -> TeacherVectors:
    encoder = build_encoder(name, device="cpu", threads=place.threads, model_dir=place.model_dir)
    sampling = encoder.card.sampling
    pack = packed(pictures, sampling.height, sampling.width, place, progress)
    if rank() == 0:
        with progress(f"asking the teacher {encoder.card.name}", len(pack.pixels)) as step:
            teacher_vectors(encoder, pack, place.cache, step=step)
    wait_for_all()
    return teacher_vectors(encoder, pack, place.cache)


def pose_network(config: PretrainConfig, place: RunPlace) -> Path | None:
    """The network that regions come from; None where they come from the teacher's own tokens.

    Raises:
        BadConfig: they are to come from body keypoints, and it is not given, or not there.
    """
    if config.regions.proposer == "affinity":
        return None
    if place.pose is None:
        raise BadConfig("regions from body keypoints need the pose network: --pose FILE, or regions.proposer affinity")
    if not place.pose.is_file():
        raise BadConfig(f"the pose network {place.pose} does not exist: give the path of pose_landmark_full.tflite")
    return place.pose


def _bodies(pictures: Sequence[Sequence[Picture]], pose: Path, place: RunPlace, progress: Progress) -> Bodies:
    paths = [picture.path for each in pictures for picture in each]
    if rank() == 0:
        with progress("looking for bodies", len(paths)) as step:
            cached_bodies(place.cache, paths, pose, processes=place.threads, step=step)
    wait_for_all()
    return cached_bodies(place.cache, paths, pose)
