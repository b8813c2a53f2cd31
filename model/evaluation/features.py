"""Tracks on disk to embeddings: pictures are read in threads of their own while the encoder works."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.data.pack import Pixels, read_picture
from model.data.records import Track
from model.encoder import Clips, Encoder, FrameMask
from model.errors import BadEmbedding
from model.sampling import Sampling, frame_indices

READERS = 2  # threads that decode: a crop is read several times faster than it is encoded, so few keep up
AHEAD = 3  # batches read before the encoder wants them: bounds the memory of pictures that wait


@dataclass(frozen=True, slots=True)
class _Clip:
    owner: int  # row of the track
    paths: tuple[Path, ...]


def embed_tracks(
    encoder: Encoder,
    tracks: Sequence[Track],
    *,
    batch_items: int = 32,
    step: Callable[[int], None] | None = None,
) -> npt.NDArray[np.float32]:
    """float32 (N, D) unit rows, one a track: the unit mean of the unit embeddings of its clips.

    Clips are those of `model.sampling.frame_indices`, as in the service. `batch_items` is the most pictures in one
    forward pass; clips of equal length share theirs. `step` is called with the number of pictures of each finished
    batch; `count_pictures` says how many there will be.

    Raises:
        MissingData: a picture is not there or cannot be read.
        BadEmbedding: the clips of a track cancel each other out, or the network gave no direction.
    """
    sampling = encoder.card.sampling
    sums = np.zeros((len(tracks), encoder.card.dimension), np.float32)
    batches = list(_batches(_clips(tracks, sampling), batch_items))
    with ThreadPoolExecutor(READERS, thread_name_prefix="pictures") as readers:
        for batch, clips in zip(batches, _read_ahead(batches, sampling, readers), strict=True):
            mask: FrameMask = np.ones(clips.shape[:2], np.bool_)
            np.add.at(sums, [clip.owner for clip in batch], encoder.encode(clips, mask))
            if step is not None:
                step(mask.size)
    return _unit_rows(sums, tracks)


def count_pictures(tracks: Iterable[Track], sampling: Sampling) -> int:
    """How many pictures `embed_tracks` reads: a long track is sampled."""
    return sum(min(len(track.paths), sampling.frames * sampling.max_clips) for track in tracks)


def _clips(tracks: Sequence[Track], sampling: Sampling) -> list[_Clip]:
    clips = [
        _Clip(owner, tuple(track.paths[place] for place in places))
        for owner, track in enumerate(tracks)
        for places in frame_indices(len(track.paths), sampling)
    ]
    # Equal lengths together, so that no clip is padded and none of the work is thrown away.
    return sorted(clips, key=lambda clip: len(clip.paths))


def _batches(clips: Sequence[_Clip], batch_items: int) -> Iterator[list[_Clip]]:
    """Runs of clips of one length, at most `batch_items` pictures in each (one clip at least)."""
    batch: list[_Clip] = []
    for clip in clips:
        length = len(clip.paths)
        if batch and (len(batch[0].paths) != length or (len(batch) + 1) * length > batch_items):
            yield batch
            batch = []
        batch.append(clip)
    if batch:
        yield batch


def _read_ahead(batches: Iterable[list[_Clip]], sampling: Sampling, readers: ThreadPoolExecutor) -> Iterator[Clips]:
    """The pixels of each batch in turn, (B, T, H, W, 3), while the following ones are being read."""
    waiting: deque[list[list[Future[Pixels]]]] = deque()

    def collected() -> Clips:
        return np.stack([np.stack([crop.result() for crop in clip]) for clip in waiting.popleft()])

    try:
        for batch in batches:
            waiting.append(
                [
                    [readers.submit(read_picture, path, sampling.height, sampling.width) for path in clip.paths]
                    for clip in batch
                ]
            )
            if len(waiting) > AHEAD:
                yield collected()
        while waiting:
            yield collected()
    finally:  # of no use any more when a picture could not be read, or the encoder failed
        readers.shutdown(wait=False, cancel_futures=True)


def _unit_rows(sums: npt.NDArray[np.float32], tracks: Sequence[Track]) -> npt.NDArray[np.float32]:
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    lost = np.flatnonzero(lengths[:, 0] < 1e-6)
    if len(lost):
        raise BadEmbedding(
            f"the clips of {len(lost)} tracks cancel each other out, the one of {tracks[lost[0]].paths[0]} the first: "
            "check the weights"
        )
    unit: npt.NDArray[np.float32] = sums / lengths
    return unit
