"""What is asked of a decoder and what it hands back. Plain values, known to both sides of the pipe."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Kind = Literal["image", "video"]
Box = tuple[int, int, int, int]  # x, y, width, height in pixels of the upright picture, origin top left

THUMBNAIL_PX = 256  # longest side of a thumbnail


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What one file may cost. `memory_bytes` is the address space of a child, code and libraries included."""

    max_image_pixels: int
    max_video_pixels: int  # of one frame
    max_video_seconds: float
    max_video_frames: int
    max_video_streams: int
    timeout_s: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class CropSampling:
    """Frames of a clip (T), size of a crop in pixels, clips taken from one track at most, and how they are cut.

    `rule` is one of `model.sampling`, by name.
    """

    frames: int
    height: int
    width: int
    max_clips: int
    rule: str

    def most_bytes(self) -> int:
        """Size of the largest `clips` array this sampling can give."""
        return self.max_clips * self.frames * self.height * self.width * 3


@dataclass(frozen=True, slots=True)
class Probe:
    """What a file is, by its content. `extension` starts with a dot; width and height are of the upright picture."""

    kind: Kind
    media_type: str
    extension: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Crops:
    """The sampled crops of one file, its whole picture or a box of it, resized to the encoder's size.

    `clips` is uint8 RGB (n, T, H, W, 3), writable and owned by the caller; T is 1 for an image. A clip of a video
    shorter than T is padded by repeating its own last frame, and `lengths[i]` frames of clip i are real. `n_frames`
    counts the whole file. `start_s` and `end_s` are the seconds into the media of the first frame and of the end of the
    last one (0 and 0 for an image). `thumbnail` is a JPEG of the same box, of the video's middle frame, longest side
    at most 256 pixels.
    """

    kind: Kind
    media_type: str
    extension: str
    clips: npt.NDArray[np.uint8]
    lengths: list[int]
    n_frames: int
    start_s: float
    end_s: float
    width: int
    height: int
    thumbnail: bytes | None
    box: Box
