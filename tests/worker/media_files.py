"""Small real media of one colour, so that the colour encoder's answers are known."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

Colour = tuple[int, int, int]
RED: Colour = (220, 30, 30)
GREEN: Colour = (30, 220, 30)
BLUE: Colour = (30, 30, 220)
OLIVE: Colour = (125, 125, 30)
FPS = 10


def picture(path: Path, colour: Colour) -> Path:
    """A JPEG of 32 x 64 pixels."""
    Image.new("RGB", (32, 64), colour).save(path, "JPEG", quality=95)
    return path


def clip(path: Path, colour: Colour, *, frames: int = 10) -> Path:
    """An H.264 MP4 of 32 x 64 pixels, ten frames a second."""
    pixels = np.full((64, 32, 3), colour, np.uint8)
    return _write_mp4(path, [pixels] * frames)


def damaged_clip(path: Path) -> Path:
    """A clip whose container is whole and most of whose frames are not: the damage shows only when it is decoded."""
    noise = np.random.default_rng(0).integers(0, 255, (40, 64, 32, 3), np.uint8)
    _write_mp4(path, list(noise))
    content = bytearray(path.read_bytes())
    at = content.index(b"mdat") + len(content) // 4
    content[at:] = bytes(len(content) - at)
    path.write_bytes(content)
    return path


def _write_mp4(path: Path, pictures: "list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]") -> Path:
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 32, 64, "yuv420p"
        stream.time_base = Fraction(1, FPS)
        for pixels in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path
