"""Any ReID network in ONNX behind the encoder interface: an image network, so a clip is the mean of its frames."""

import hashlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from model.encoder import Clips, Embeddings, Encoder, EncoderCard, FrameMask
from model.errors import BadModelFile, DeviceFailed
from model.onnx_feed import Feed, read_feed
from model.onnx_session import Session, open_session, runs_on_cuda
from model.sampling import Sampling

FRAMES = 8  # T of a clip

Vectors = npt.NDArray[np.float32]


class OnnxEncoder(Encoder):
    """Embeds each real frame, then takes the unit mean of their unit vectors.

    A network of a fixed batch is run so many frames at a time. On a CPU, several single-threaded runs side by side
    are faster than one run on several threads: these networks are too small to be split.
    """

    def __init__(self, path: Path, *, device: str = "cpu", threads: int = 1) -> None:
        """Open `path` and the description beside it.

        Raises:
            BadModelFile: file or description are missing, unusable or contradict each other.
            DeviceUnavailable: ONNX Runtime cannot use the device.
        """
        self._session = open_session(path, device=device)
        self._feed = read_feed(path.with_suffix(".toml"))
        self._on_cuda = runs_on_cuda(self._session)
        self._batch = _check_graph(self._session, self._feed, path)
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name
        self._threads = 1 if self._on_cuda else threads
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="onnx")
        self.card = _card(path, self._feed)

    def _encode(self, clips: Clips, mask: FrameMask) -> Embeddings:
        frames = clips[mask]  # (F, H, W, 3), clip after clip
        vectors = _unit(self._embed(frames))  # (F, D)
        firsts = np.concatenate([[0], mask.sum(axis=1).cumsum()[:-1]])  # (B,) first frame of each clip
        sums: Vectors = np.add.reduceat(vectors, firsts, axis=0)  # (B, D)
        return _unit(sums)

    def _embed(self, frames: npt.NDArray[np.uint8]) -> Vectors:
        """(F, H, W, 3) -> (F, D), of any length."""
        parts = self._pool.map(self._run, self._split(frames))
        return np.concatenate(list(parts))

    def _split(self, frames: npt.NDArray[np.uint8]) -> Iterator[npt.NDArray[np.uint8]]:
        """Slices of the fixed batch, or one for each thread where the batch is free."""
        size = self._batch or -(-len(frames) // self._threads)
        return (frames[first : first + size] for first in range(0, len(frames), size))

    def _run(self, frames: npt.NDArray[np.uint8]) -> Vectors:
        values = self._feed.prepare(frames)
        short = self._batch - len(values) if self._batch else 0
        if short:
            values = np.concatenate([values, np.zeros((short, *values.shape[1:]), np.float32)])
        try:
            (output,) = self._session.run([self._output], {self._input: values})
        except Exception as error:
            if self._on_cuda and "CUDA" in str(error):
                raise DeviceFailed(f"ONNX Runtime's GPU failed, the process has to restart: {error}") from error
            raise
        return cast(Vectors, output.reshape(len(values), -1)[: len(frames)])


def _unit(vectors: Vectors) -> Vectors:
    """Rows scaled to unit length; a row without a direction becomes not-a-number, which `encode` refuses."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.full_like(vectors, np.nan)
    np.divide(vectors, lengths, out=unit, where=lengths > 0)
    return unit


def _check_graph(session: Session, feed: Feed, path: Path) -> int | None:
    """The network's fixed batch, or None where it takes any.

    Raises:
        BadModelFile: the graph's input or output are not what the description says.
    """
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 4:
        found = [(node.name, node.type, node.shape) for node in inputs]
        raise BadModelFile(f"{path} must have one float32 input of four axes, and has {found}: export it so")
    batch, *frame = inputs[0].shape
    # A name, or nothing, stands for an axis of any length.
    if any(type(have) is int and have != want for have, want in zip(frame, feed.input_shape, strict=True)):
        raise BadModelFile(
            f"the description of {path} says a frame is {feed.layout} {list(feed.input_shape)}, and the network "
            f"takes {frame}: correct layout, height or width"
        )
    numbers = [length for length in outputs[0].shape[1:] if length != 1]
    if all(type(length) is int for length in numbers) and np.prod(numbers) != feed.dimension:
        raise BadModelFile(
            f"the description of {path} says dimension = {feed.dimension}, and the network gives "
            f"{outputs[0].shape}: correct dimension"
        )
    return batch if type(batch) is int and batch > 0 else None


def _card(path: Path, feed: Feed) -> EncoderCard:
    sampling = Sampling(FRAMES, feed.height, feed.width)
    digest = hashlib.sha256(repr((feed, sampling)).encode())
    digest.update(path.read_bytes())
    return EncoderCard(
        name="onnx-" + re.sub(r"[^a-z0-9.-]", "-", path.stem.lower()),
        dimension=feed.dimension,
        sampling=sampling,
        fingerprint=digest.hexdigest()[:16],
        trained=True,
        licence=feed.licence,
        training_data=feed.training_data,
        calibration=feed.calibration,
    )
