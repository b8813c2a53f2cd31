"""Finding people in whole pictures with a YOLOX network in ONNX. Numpy in, boxes out."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from model.detect.letterbox import fit
from model.detect.nms import suppress
from model.errors import BadClip, BadModelFile
from model.onnx_session import Session, open_session

STRIDES = (8, 16, 32)  # pixels of the input that a cell of each of the three output grids stands for
PERSON = 0  # the class's number, in COCO and in networks of one class


@dataclass(frozen=True, slots=True)
class Detection:
    """A person. Box: (x, y, width, height) in pixels of the picture, origin top left. Score in [0, 1]."""

    box: tuple[float, float, float, float]
    score: float


class PersonDetector:
    """A YOLOX network of any square or oblong input size and any number of classes, the first of which is person."""

    def __init__(self, path: Path, *, device: str = "cpu", threads: int = 1) -> None:
        """Open the ONNX file.

        Raises:
            BadModelFile: no such file, or not a YOLOX network.
            DeviceUnavailable: ONNX Runtime cannot use the device.
        """
        self._session = open_session(path, device=device, threads=threads)
        self.height, self.width = _input_size(self._session, path)
        self._input = self._session.get_inputs()[0].name
        self._cells, self._strides = grid(self.height, self.width)
        _check_output(self._session, len(self._strides), path)

    def detect(
        self, frame: npt.NDArray[np.uint8], *, threshold: float = 0.5, overlap_limit: float = 0.45
    ) -> list[Detection]:
        """People in an RGB picture, uint8 (H, W, 3), best first.

        Boxes that score less than `threshold` are left out, as are those that overlap a better one (intersection
        over union) by more than `overlap_limit`.

        Raises:
            BadClip: not a uint8 RGB picture.
        """
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or 0 in frame.shape:
            raise BadClip(f"a picture must be uint8 (H, W, 3), got {frame.dtype} {frame.shape}: convert it to RGB")
        boxed, letterbox = fit(frame, self.height, self.width)
        values = np.ascontiguousarray(boxed[None, ..., ::-1].transpose(0, 3, 1, 2), np.float32)  # BGR, 0-255
        output = cast(npt.NDArray[np.float32], self._session.run(None, {self._input: values})[0])
        corners, scores = decode(output[0], self._cells, self._strides)
        likely = scores >= threshold
        corners, scores = letterbox.restore(corners[likely]), scores[likely]
        return [_detection(corners[row], scores[row]) for row in suppress(corners, scores, overlap_limit)]


def grid(height: int, width: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Column and row of every output cell (A, 2), and its stride in pixels (A,), grid after grid, row by row."""
    cells, strides = [], []
    for stride in STRIDES:
        rows, columns = np.mgrid[: height // stride, : width // stride]
        cells.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        strides.append(np.full(rows.size, stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(strides).astype(np.float32)


def decode(
    output: npt.NDArray[np.float32], cells: npt.NDArray[np.float32], strides: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """What the network says of each cell, (A, 5 + classes), to corners in the input (A, 4) and person scores (A,).

    A row is: centre relative to the cell and in strides (2), logarithm of width and height in strides (2), how
    sure there is anything (1), how sure it is of each class.
    """
    centres = (output[:, :2] + cells) * strides[:, None]
    with np.errstate(over="ignore"):  # an absurd size is infinite, and is cut at the picture's edge
        halves = np.exp(output[:, 2:4]) * strides[:, None] / 2
    scores = output[:, 4] * output[:, 5 + PERSON]
    return np.concatenate([centres - halves, centres + halves], axis=1), scores


def _detection(corners: npt.NDArray[np.float32], score: np.float32) -> Detection:
    left, top, right, bottom = corners.tolist()
    return Detection((left, top, right - left, bottom - top), float(score))


def _input_size(session: Session, path: Path) -> tuple[int, int]:
    shape = session.get_inputs()[0].shape
    if len(shape) != 4 or shape[1] != 3 or not all(type(side) is int and side % 32 == 0 for side in shape[2:]):
        raise BadModelFile(
            f"a YOLOX network takes (1, 3, height, width) with sides divisible by 32, and {path} takes {shape}: "
            "give another detector"
        )
    return shape[2], shape[3]


def _check_output(session: Session, cells: int, path: Path) -> None:
    shape = session.get_outputs()[0].shape
    if len(shape) != 3 or shape[1] != cells or type(shape[2]) is not int or shape[2] < 6:
        raise BadModelFile(
            f"a YOLOX network of this size gives (1, {cells}, 5 + classes), and {path} gives {shape}: "
            "export it without decoding, strides 8, 16 and 32"
        )
