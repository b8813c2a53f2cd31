"""Body keypoints and person mask of a crop, from MediaPipe's pose landmark network (BlazePose) as a tflite file.

Bazarevsky et al., "BlazePose: On-device Real-time Body Pose tracking", 2020; the file is Apache-2.0. It is used while
training only. This module knows no torch, so that processes that only read poses start quickly.
"""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from model.errors import BadClip, BadModelFile
from model.regions.errors import PoseRuntimeMissing

KEYPOINTS = 33  # of BlazePose: face 0-10, arms and hands 11-22, hips, legs and feet 23-32; left odd, right even from 11
MASK_SIZE = (32, 16)  # cells down and across of a stored person mask
_INPUT_PX = 256
_LANDMARKS, _SCORE, _MASK = (1, 195), (1, 1), (1, _INPUT_PX, _INPUT_PX, 1)  # shapes of the outputs that are read
# The network was trained on squares a quarter larger than the person. Measured on tight crops of 128 x 64 pixels, this
# room against none: a person is seen (score over 0.5) in 96 instead of 85 of 100.
_ROOM = 1.25


@dataclass(frozen=True, slots=True)
class Body:
    """What the network saw in one crop.

    "Left" is the person's own left. Keypoints may lie outside [0, 1] where the crop cuts the body off.
    """

    keypoints: npt.NDArray[np.float32]  # (33, 3): x, y as shares of the crop's width and height; visibility in [0, 1]
    mask: npt.NDArray[np.uint8]  # (rows, columns) over the whole crop: 255 where every pixel is of the person
    score: float  # how sure the network is that there is a person, in [0, 1]


class PoseModel:
    """Runs the pose network on one crop at a time. Not for several threads at once."""

    def __init__(self, path: Path, *, threads: int = 1, mask_size: tuple[int, int] = MASK_SIZE) -> None:
        """Read the tflite file.

        Raises:
            PoseRuntimeMissing: `ai-edge-litert` is not installed.
            BadModelFile: no such file, or not MediaPipe's pose landmark network.
        """
        self.mask_size = mask_size
        self._runner = _open(path, threads)
        self._input = int(self._runner.get_input_details()[0]["index"])
        outputs = {tuple(map(int, o["shape"])): int(o["index"]) for o in self._runner.get_output_details()}
        shape = tuple(self._runner.get_input_details()[0]["shape"])
        if shape != (1, _INPUT_PX, _INPUT_PX, 3) or not {_LANDMARKS, _SCORE, _MASK} <= outputs.keys():
            raise BadModelFile(
                f"{path} takes {shape} and gives {sorted(outputs)}: "
                "give MediaPipe's pose_landmark_full.tflite (or _lite, _heavy), which has a mask among its outputs"
            )
        self._outputs = outputs

    def body(self, crop: npt.NDArray[np.uint8]) -> Body:
        """Keypoints, mask and score of the person in a crop: RGB uint8 (H, W, 3), of any size; left unchanged.

        Raises:
            BadClip: not such an array.
        """
        if crop.ndim != 3 or crop.shape[2] != 3 or crop.dtype != np.uint8 or crop.size == 0:
            raise BadClip(f"a crop must be uint8 (H, W, 3), got {crop.dtype} {crop.shape}: convert it to RGB")
        square = _Square.around(*crop.shape[:2])
        self._runner.set_tensor(self._input, square.fill(crop)[None])
        self._runner.invoke()
        landmarks = self._read(_LANDMARKS).reshape(-1, 5)[:KEYPOINTS]  # x, y in pixels, z, logits: visible, present
        keypoints = np.concatenate([square.restore(landmarks[:, :2]), _sigmoid(landmarks[:, 3:4])], axis=1)
        mask = square.cut(_sigmoid(self._read(_MASK)[0, :, :, 0]), *self.mask_size)
        return Body(keypoints.astype(np.float32), mask, float(self._read(_SCORE)[0, 0]))

    def _read(self, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        return np.asarray(self._runner.get_tensor(self._outputs[shape]), np.float32)


@dataclass(frozen=True, slots=True)
class _Square:
    """How a crop lies in the network's square input: in the middle, its shape kept, black around it. Pixels."""

    top: int
    left: int
    height: int
    width: int

    @classmethod
    def around(cls, height: int, width: int) -> "_Square":
        scale = _INPUT_PX / (_ROOM * max(height, width))
        rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
        return cls((_INPUT_PX - rows) // 2, (_INPUT_PX - columns) // 2, rows, columns)

    def fill(self, crop: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """(H, W, 3) 0-255 to the input (256, 256, 3) in [0, 1]."""
        small = Image.fromarray(crop).resize((self.width, self.height), Image.Resampling.BILINEAR)
        filled = np.zeros((_INPUT_PX, _INPUT_PX, 3), np.float32)
        filled[self.top : self.top + self.height, self.left : self.left + self.width] = np.asarray(small)
        return filled / np.float32(255)

    def restore(self, points: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Points (N, 2: x, y) in pixels of the input to shares of the crop."""
        corner, size = np.array([self.left, self.top]), np.array([self.width, self.height])
        return np.asarray((points - corner) / size, np.float32)

    def cut(self, mask: npt.NDArray[np.float32], rows: int, columns: int) -> npt.NDArray[np.uint8]:
        """The crop's part of a mask (256, 256) in [0, 1], averaged to (rows, columns) in 0-255."""
        part = mask[self.top : self.top + self.height, self.left : self.left + self.width]
        small = Image.fromarray(part).resize((columns, rows), Image.Resampling.BOX)
        return np.asarray(np.rint(255 * np.clip(np.asarray(small), 0, 1)), np.uint8)


def _sigmoid(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    # By tanh: the mask's logits go far beyond what exp can take.
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * logits), np.float32)


def _open(path: Path, threads: int) -> Any:
    if not path.is_file():
        raise BadModelFile(f"the pose network {path} does not exist: give the path of pose_landmark_full.tflite")
    try:
        runtime = importlib.import_module("ai_edge_litert.interpreter")
    except ModuleNotFoundError as error:
        raise PoseRuntimeMissing(
            "body keypoints need the package ai-edge-litert, which is not installed: "
            "install the extra `train`, or train with regions by affinity of tokens"
        ) from error
    try:
        runner = runtime.Interpreter(str(path), num_threads=threads)
        runner.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise BadModelFile(f"{path} is no tflite network that can be run ({error}): fetch it anew") from error
    return runner
