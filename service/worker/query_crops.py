"""Crops of queries: files with a short life in the media store, written by the api, read here and nowhere else."""

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from index.records.queries import QueryTask
from model.sampling import Sampling
from service.media import MediaStore
from service.worker.encoding import Clip, clips_of


class BadCrops(Exception):
    """The file is not there any more, or does not hold what the query says it does."""


def load_all(media: MediaStore, tasks: Sequence[QueryTask], sampling: Sampling) -> list[list[Clip] | BadCrops]:
    """The clips of each query, or why it has none. Reads files: for a thread."""
    return [_load_or_error(media, task, sampling) for task in tasks]


def _load_or_error(media: MediaStore, task: QueryTask, sampling: Sampling) -> list[Clip] | BadCrops:
    try:
        return load(media, task, sampling)
    except BadCrops as error:
        return error


def load(media: MediaStore, task: QueryTask, sampling: Sampling) -> list[Clip]:
    """The clips of one query that brought crops.

    Raises:
        BadCrops: the file is gone, is no array, or does not fit the query or the encoder.
    """
    assert task.crops is not None
    try:
        crops = np.load(io.BytesIO(media.read(task.crops)), allow_pickle=False)
    except FileNotFoundError as error:
        raise BadCrops("the crops of this query are gone: it was given up, or its time was over") from error
    except (ValueError, EOFError, OSError) as error:
        raise BadCrops(f"the crops of this query cannot be read: {error}") from error
    _check(crops, task, sampling)
    return clips_of(crops, task.lengths)


def _check(crops: npt.NDArray[np.uint8], task: QueryTask, sampling: Sampling) -> None:
    size = (sampling.height, sampling.width, 3)
    if not isinstance(crops, np.ndarray) or crops.dtype != np.uint8 or crops.ndim != 5 or crops.shape[2:] != size:
        raise BadCrops(f"crops must be uint8 (n, T, {size[0]}, {size[1]}, 3), got {crops.dtype} {crops.shape}")
    n_clips, frames = crops.shape[:2]
    if not 1 <= frames <= sampling.frames:
        raise BadCrops(f"a clip has 1 to {sampling.frames} frames, got {frames}")
    if n_clips < 1 or len(task.lengths) != n_clips or not all(1 <= n <= frames for n in task.lengths):
        raise BadCrops(f"{n_clips} clips of {frames} frames do not fit the lengths {list(task.lengths)}")
    if sum(task.groups) != n_clips or not all(size >= 1 for size in task.groups):
        raise BadCrops(f"{n_clips} clips do not fit the groups {list(task.groups)}")
