"""The two kinds of networks that an ONNX file may hold: of pictures, and of clips."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from model.encoder import Clips, FrameMask
from model.errors import BadModelFile, DeviceFailed
from model.onnx_feed import Feed
from model.onnx_session import Session, runs_on_cuda

Vectors = npt.NDArray[np.float32]
Frames = npt.NDArray[np.uint8]  # (F, H, W, 3), RGB


class OnnxNetwork(ABC):
    """A session and how to feed it."""

    def __init__(self, session: Session, feed: Feed, path: Path, *, threads: int) -> None:
        """Raises BadModelFile where the graph's inputs or output are not what the description of `path` says."""
        self._session, self._feed = session, feed
        self._check(session.get_inputs(), path)
        _check_output(session.get_outputs()[0].shape, feed, path)
        self._inputs = [node.name for node in session.get_inputs()]
        self._output = session.get_outputs()[0].name
        self._on_cuda = runs_on_cuda(session)
        self._threads = 1 if self._on_cuda else threads
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="onnx")

    @abstractmethod
    def embed(self, clips: Clips, mask: FrameMask) -> Vectors:
        """One vector a clip, of any length: uint8 (B, T, H, W, 3), bool (B, T) -> float32 (B, D)."""

    @abstractmethod
    def _check(self, inputs: list[Any], path: Path) -> None: ...

    def _share(self, items: int) -> int:
        """Rows for each thread."""
        return -(-items // self._threads)

    def _call(self, *values: npt.NDArray[Any]) -> Vectors:
        try:
            (output,) = self._session.run([self._output], dict(zip(self._inputs, values, strict=True)))
        except Exception as error:
            if self._on_cuda and "CUDA" in str(error):
                raise DeviceFailed(f"ONNX Runtime's GPU failed, the process has to restart: {error}") from error
            raise
        return cast(Vectors, output.reshape(len(values[0]), -1))


class ImageNetwork(OnnxNetwork):
    """Takes frames. A clip is the mean of the unit vectors of its real frames.

    A network of a fixed batch is run so many frames at a time.
    """

    _batch: int | None

    def embed(self, clips: Clips, mask: FrameMask) -> Vectors:
        frames = clips[mask]  # (F, H, W, 3), clip after clip
        vectors = unit(np.concatenate(list(self._pool.map(self._run, self._split(frames)))))  # (F, D)
        firsts = np.concatenate([[0], mask.sum(axis=1).cumsum()[:-1]])  # (B,) first frame of each clip
        sums: Vectors = np.add.reduceat(vectors, firsts, axis=0)  # (B, D)
        return sums

    def _split(self, frames: Frames) -> Iterator[Frames]:
        """Slices of the fixed batch, or one for each thread where the batch is free."""
        size = self._batch or self._share(len(frames))
        return (frames[first : first + size] for first in range(0, len(frames), size))

    def _run(self, frames: Frames) -> Vectors:
        values = self._feed.prepare(frames)
        short = self._batch - len(values) if self._batch else 0
        if short:
            values = np.concatenate([values, np.zeros((short, *values.shape[1:]), np.float32)])
        return self._call(values)[: len(frames)]

    def _check(self, inputs: list[Any], path: Path) -> None:
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 4:
            raise BadModelFile(
                f"{path} must have one float32 input of four axes, and has {_told(inputs)}: export it so, or, if it "
                'takes clips and a mask, say layout = "NTCHW"'
            )
        batch, *frame = inputs[0].shape
        _check_frame(frame, self._feed, path)
        self._batch = batch if type(batch) is int and batch > 0 else None


class ClipNetwork(OnnxNetwork):
    """Takes clips of any number and length with the mask of their real frames; padding must have no effect on it."""

    def embed(self, clips: Clips, mask: FrameMask) -> Vectors:
        size = self._share(len(clips))
        parts = [(clips[first : first + size], mask[first : first + size]) for first in range(0, len(clips), size)]
        return np.concatenate(list(self._pool.map(self._run, *zip(*parts, strict=True))))

    def _run(self, clips: Clips, mask: FrameMask) -> Vectors:
        longest = int(np.flatnonzero(mask.any(axis=0))[-1]) + 1  # what lies behind is padding of every clip
        clips, mask = clips[:, :longest], np.ascontiguousarray(mask[:, :longest])
        values = self._feed.prepare(clips.reshape(-1, *clips.shape[2:]))
        return self._call(values.reshape(*mask.shape, *values.shape[1:]), mask)

    def _check(self, inputs: list[Any], path: Path) -> None:
        forms = [(node.type, len(node.shape)) for node in inputs]
        if forms != [("tensor(float)", 5), ("tensor(bool)", 2)]:
            raise BadModelFile(
                f"{path} must take float32 clips of five axes and a bool mask of two, in this order, and has "
                f'{_told(inputs)}: export it so, or, if it takes pictures, say layout = "NCHW"'
            )
        batch, frames, *frame = inputs[0].shape
        _check_frame(frame, self._feed, path)
        if type(batch) is int or type(frames) is int:
            raise BadModelFile(
                f"{path} takes {batch} clips of {frames} frames only: export it with both axes of any length"
            )


def unit(vectors: Vectors) -> Vectors:
    """Rows scaled to unit length; a row without a direction becomes not-a-number, which `Encoder.encode` refuses."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled = np.full_like(vectors, np.nan)
    np.divide(vectors, lengths, out=scaled, where=lengths > 0)
    return scaled


def _told(inputs: list[Any]) -> list[tuple[str, str, list[int | str]]]:
    return [(node.name, node.type, node.shape) for node in inputs]


def _check_frame(frame: list[Any], feed: Feed, path: Path) -> None:
    # A name, or nothing, stands for an axis of any length.
    if any(type(have) is int and have != want for have, want in zip(frame, feed.input_shape, strict=True)):
        raise BadModelFile(
            f"the description of {path} says a frame is {feed.layout} {list(feed.input_shape)}, and the network "
            f"takes {frame}: correct layout, height or width"
        )


def _check_output(shape: list[Any], feed: Feed, path: Path) -> None:
    numbers = [length for length in shape[1:] if length != 1]
    if all(type(length) is int for length in numbers) and np.prod(numbers) != feed.dimension:
        raise BadModelFile(
            f"the description of {path} says dimension = {feed.dimension}, and the network gives {shape}: "
            "correct dimension"
        )
