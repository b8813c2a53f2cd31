"""Where a run finds its data and leaves its results, and what every kind of run does with that."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from model.data.build import load_dataset
from model.data.digest import digest_of
from model.data.pack import PackedPictures, pack_pictures
from model.data.records import Dataset, Picture
from model.memory import keep_between_steps
from model.training.config import Schedule, Source
from model.training.distributed import process_group, rank, wait_for_all
from model.training.errors import BadConfig
from model.training.folder import claimed
from model.training.loop import LoopPlan

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
    save_every_s: float = 300.0


@contextmanager
def ready(place: RunPlace) -> Iterator[RunPlace]:
    """Threads, memory, other processes of the run; nobody else trains in the folder meanwhile.

    Gives the place with the device that is this process's own.
    """
    torch.set_num_threads(place.threads)
    keep_between_steps()
    with process_group(place.device) as device:
        own = replace(place, device=device)
        if rank() == 0:
            with claimed(place.out):
                yield own
        else:
            yield own


def dataset_of(source: Source, folders: Mapping[str, Path]) -> Dataset:
    """The data set of a source. Raises BadConfig where no folder is given for it, and DataError."""
    if source.data not in folders:
        raise BadConfig(f"the run trains on {source.data} and no folder is given for it: --data {source.data}=DIR")
    return load_dataset(source.data, folders[source.data])


def packed(
    pictures: Sequence[Sequence[Picture]], height: int, width: int, place: RunPlace, progress: Progress
) -> PackedPictures:
    """The pictures of all sources, one after the other, decoded and resized."""
    paths = [picture.path for each in pictures for picture in each]
    # One process writes; the others find it written.
    if rank() == 0:
        with progress(f"packing pictures to {height} x {width}", len(paths)) as step:
            pack_pictures(paths, place.cache, height=height, width=width, step=step)
    wait_for_all()
    return pack_pictures(paths, place.cache, height=height, width=width)


def data_digest(pack: PackedPictures, pictures: Sequence[Sequence[Picture]]) -> str:
    """What tells a run's data from all others: its pictures, their sizes on disk, and what is said of each."""
    return f"{pack.digest}-{digest_of(pictures)}"


def loop_plan(schedule: Schedule, seed: int, place: RunPlace, data: str) -> LoopPlan:
    """What the loop has to know; `data` as `data_digest` gives it."""
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
        seed=seed,
        device=place.device,
        data=data,
        stop_after=place.stop_after,
        save_every_s=place.save_every_s,
    )


def told(step: Callable[[int], None]) -> Callable[[int, str], None]:
    """What the loop tells, for a bar that counts what is new."""
    done = 0

    def tell(now: int, _: str) -> None:
        nonlocal done
        step(now - done)
        done = now

    return tell
