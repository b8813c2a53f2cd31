"""A run from configuration to weights: data, teacher, network and task put together."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from model.build import build_encoder
from model.data.attributes import attribute_table
from model.data.build import load_dataset
from model.data.pack import PackedPictures, pack_pictures
from model.data.records import Picture
from model.data.samplers import ClipSampler, PersonSampler, TrackSampler
from model.data.teacher import teacher_vectors
from model.data.training_set import training_set
from model.regions.cache import Bodies, cached_bodies
from model.training.checkpoint import has_checkpoint
from model.training.completion import CompletionTask
from model.training.config import FinetuneConfig, PretrainConfig, Source
from model.training.distributed import process_group, rank, wait_for_all
from model.training.errors import BadConfig
from model.training.finetune import FinetuneData, FinetuneTask, TeacherVectors
from model.training.folder import claimed
from model.training.loop import LoopPlan, train
from model.training.memory import use_huge_pages
from model.training.pretrain import PretrainData, PretrainTask
from model.training.sharding import whole_network
from model.training.start import network_config, published_stem, starting_network
from model.training.system_config import SystemRun
from model.training.system_start import published_trunk, starting_system
from model.training.system_task import SystemData, SystemTask
from model.training.task import Task
from model.vills.network import Vills
from model.weights import Origin, load_weights, save_weights

WEIGHTS = "weights.safetensors"
ORIGIN = "origin.json"
RESEARCH_ONLY = "research only (as the data sets it was trained on)"
AnyRun = FinetuneConfig | PretrainConfig | SystemRun
# Opens a progress bar: what is done, how many, and gives what is to be called with how many more are done.
Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True, slots=True)
class RunPlace:
    """Where a run finds and leaves things."""

    out: Path  # folder of the run
    cache: Path  # packed pictures and teachers' vectors
    data: Mapping[str, Path]  # folder of each data set
    weights: Path | None = None  # to start from
    stem_weights: Path | None = None  # for a network that starts anew; otherwise those published for its stem
    pose: Path | None = None  # the pose network, for regions from body keypoints
    model_dir: Path | None = None  # where a teacher's ONNX file is looked up
    device: str = "cpu"
    threads: int = 1
    stop_after: int | None = None


def run(config: AnyRun, place: RunPlace, progress: Progress) -> Path:
    """The run that the configuration is of; see `finetune`, `pretrain` and `train_system`."""
    if isinstance(config, SystemRun):
        return train_system(config, place, progress)
    return (
        finetune(config, place, progress) if isinstance(config, FinetuneConfig) else pretrain(config, place, progress)
    )


def finetune(config: FinetuneConfig, place: RunPlace, progress: Progress) -> Path:
    """Fine-tune as the configuration says; the file of the averaged weights (fp16 safetensors).

    Raises:
        DataError: a data set is missing or not whole.
        TrainingError: the configuration, a checkpoint or a loss.
    """
    with _ready(place):
        pictures = [_pictures(source, place.data) for source in config.sources]
        pack = _pack(pictures, config.network.height, config.network.width, place, progress)
        teacher = _teachers(config, pictures, place, progress)
        shares = [source.share for source in config.sources]
        sampler = PersonSampler(training_set(pictures), shares, config.tracks, config.frames, config.seed)
        task = FinetuneTask(_network(config, place), config, FinetuneData(pack.pixels, sampler, teacher))
        if config.heads == "fitted" and not has_checkpoint(place.out):
            with progress("fitting the heads", task.n_pictures) as step:
                task.fit_heads(place.device, step)
        return _trained(task, config, place, progress)


def train_system(config: SystemRun, place: RunPlace, progress: Progress) -> Path:
    """Train a published system, or one stage of it, as the configuration says; the file of its weights.

    Raises: as `finetune`.
    """
    with _ready(place):
        pictures = [_pictures(source, place.data) for source in config.sources]
        attributes, groups = attribute_table(pictures, config.attributes) if config.attributes else (None, ())
        shape = config.network_config(groups)
        pack = _pack(pictures, shape.height, shape.width, place, progress)
        shares = [source.share for source in config.sources]
        people = PersonSampler(training_set(pictures), shares, config.tracks, shape.sampling.frames, config.seed)
        sampler = ClipSampler(people, config.clips.rule, config.clips.stride)
        data = SystemData(pack.pixels, sampler, attributes)
        network = starting_system(shape, config.seed, weights=place.weights, stem_weights=_stem_weights(config, place))
        if config.stage != "completion":
            return _trained(SystemTask(network, config, data), config, place, progress)
        task = CompletionTask(network, config, data)
        if not has_checkpoint(place.out):
            with progress("fitting the guider", task.n_pictures) as step:
                task.fit_guider(place.device, step)
        return _trained(task, config, place, progress)


def pretrain(config: PretrainConfig, place: RunPlace, progress: Progress) -> Path:
    """Pre-train as the configuration says; the file of the teacher's weights (fp16 safetensors).

    Raises: as `finetune`; RegionError where the pose network cannot be run.
    """
    with _ready(place):
        pictures = [_pictures(source, place.data) for source in config.sources]
        pack = _pack(pictures, config.network.height, config.network.width, place, progress)
        shares = [source.share for source in config.sources]
        sampler = TrackSampler(training_set(pictures), shares, config.frames, config.seed)
        bodies = _bodies(pictures, place, progress) if config.regions.proposer == "pose" else None
        task = PretrainTask(_network(config, place), config, PretrainData(pack.pixels, sampler, bodies))
        return _trained(task, config, place, progress)


@contextmanager
def _ready(place: RunPlace) -> Iterator[None]:
    torch.set_num_threads(place.threads)
    use_huge_pages()
    with process_group(place.device):
        if rank() == 0:
            with claimed(place.out):
                yield
        else:
            yield


def _network(config: FinetuneConfig | PretrainConfig, place: RunPlace) -> Vills:
    shape = network_config(config.network)
    return starting_network(
        shape,
        config.seed,
        weights=place.weights,
        stem_weights=_stem_weights(config, place),
        adapter_start=config.network.adapter_start,
    )


def _stem_weights(config: AnyRun, place: RunPlace) -> Path | None:
    """Published weights for the stem of a network that starts anew: those given, or those that belong to the stem."""
    if place.weights is not None or place.stem_weights is not None:
        return place.stem_weights
    if isinstance(config, SystemRun):
        return published_trunk(config.network_config())
    return published_stem(network_config(config.network).stem, place.model_dir)


def _trained(task: Task, config: AnyRun, place: RunPlace, progress: Progress) -> Path:
    """Run the loop; when its last step is done, the weights are written."""
    origin = _kept_origin(config, place)
    with progress("training", config.schedule.steps) as step:
        done = train(task, _plan(config, place), place.out, config.model_dump_json(), _told(step))
    if done == config.schedule.steps:
        kept = whole_network(task.kept)
        if rank() == 0:
            save_weights(place.out / WEIGHTS, kept, origin, half=True)
    return place.out / WEIGHTS


def _pictures(source: Source, folders: Mapping[str, Path]) -> Sequence[Picture]:
    if source.data not in folders:
        raise BadConfig(f"the run trains on {source.data} and no folder is given for it: --data {source.data}=DIR")
    return load_dataset(source.data, folders[source.data]).train


def _pack(
    pictures: Sequence[Sequence[Picture]], height: int, width: int, place: RunPlace, progress: Progress
) -> PackedPictures:
    paths = [picture.path for each in pictures for picture in each]
    # One process writes; the others find it written.
    if rank() == 0:
        with progress(f"packing pictures to {height} x {width}", len(paths)) as step:
            pack_pictures(paths, place.cache, height=height, width=width, step=step)
    wait_for_all()
    return pack_pictures(paths, place.cache, height=height, width=width)


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
    pack = _pack(pictures, sampling.height, sampling.width, place, progress)
    if rank() == 0:
        with progress(f"asking the teacher {encoder.card.name}", len(pack.pixels)) as step:
            teacher_vectors(encoder, pack, place.cache, step=step)
    wait_for_all()
    return teacher_vectors(encoder, pack, place.cache)


def _bodies(pictures: Sequence[Sequence[Picture]], place: RunPlace, progress: Progress) -> Bodies:
    if place.pose is None:
        raise BadConfig("regions from body keypoints need the pose network: --pose FILE, or regions.proposer affinity")
    paths = [picture.path for each in pictures for picture in each]
    if rank() == 0:
        with progress("looking for bodies", len(paths)) as step:
            cached_bodies(place.cache, paths, place.pose, processes=place.threads, step=step)
    wait_for_all()
    return cached_bodies(place.cache, paths, place.pose)


def _plan(config: AnyRun, place: RunPlace) -> LoopPlan:
    schedule = config.schedule
    return LoopPlan(
        steps=schedule.steps,
        lr=schedule.lr,
        warmup=schedule.warmup,
        last_lr=schedule.last_lr,
        milestones=schedule.milestones,
        accumulate=schedule.accumulate,
        sharded=schedule.sharded,
        compile=schedule.compile,
        clip=schedule.clip,
        seed=config.seed,
        device=place.device,
        stop_after=place.stop_after,
    )


def _told(step: Callable[[int], None]) -> Callable[[int, str], None]:
    done = 0

    def tell(now: int, _: str) -> None:
        nonlocal done
        step(now - done)
        done = now

    return tell


def _kept_origin(config: AnyRun, place: RunPlace) -> Origin:
    """The origin as it was when the run began: going on, it may be given other weights to start from, or none."""
    file = place.out / ORIGIN
    if has_checkpoint(place.out) and file.exists():
        return Origin(**json.loads(file.read_text()))
    origin = _origin(config, place)
    if rank() == 0:
        file.write_text(json.dumps(asdict(origin)) + "\n")
    return origin


def _origin(config: AnyRun, place: RunPlace) -> Origin:
    """What the weights may be used for, and everything they learned from: data, teachers, and where they began.

    Notes are parted by "; ", data first. Those of the weights a run began with stay, and so do the names of data sets
    that only they saw.
    """
    data = [source.data for source in config.sources]
    notes = []
    teachers = config.teachers if isinstance(config, FinetuneConfig) else []
    if teachers:
        notes.append(f"distilled from {', '.join(Path(each.removeprefix('onnx:')).stem for each in teachers)}")
    if place.weights is not None:
        earlier = load_weights(place.weights).origin
        names, *rest = earlier.training_data.split("; ")
        if earlier.trained:
            data += [name for name in names.split(", ") if name not in data]
            notes += [note for note in rest if note not in notes]
    elif (stem := _stem_weights(config, place)) is not None:
        notes.append(f"stem begun from {stem.stem}")
    return Origin(trained=True, licence=RESEARCH_ONLY, training_data="; ".join([", ".join(data), *notes]))
