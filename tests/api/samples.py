"""Small real media whose colour embedding can be told by eye."""

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

Colour = tuple[int, int, int]
RED: Colour = (220, 30, 30)
GREEN: Colour = (30, 220, 30)
BLUE: Colour = (30, 30, 220)


def picture(colour: Colour = RED, *, width: int = 32, height: int = 64) -> bytes:
    """A JPEG of one colour."""
    buffer = BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@cache  # an encoder promises no bytes twice, and tests compare them
def clip(colour: Colour = RED, *, frames: int = 6, width: int = 32, height: int = 64) -> bytes:
    """An H.264 MP4 of one colour, ten frames a second."""
    return _mp4([np.full((height, width, 3), colour, np.uint8)] * frames)


def damaged_clip() -> bytes:
    """A clip whose head is whole and most of whose frames are not: only decoding all of it shows the damage."""
    noise = np.random.default_rng(0).integers(0, 255, (40, 64, 32, 3), np.uint8)
    content = bytearray(_mp4(list(noise)))
    at = content.index(b"mdat") + len(content) // 4
    content[at:] = bytes(len(content) - at)
    return bytes(content)


def _mp4(pictures: Sequence[npt.NDArray[np.uint8]]) -> bytes:
    height, width = pictures[0].shape[:2]
    # A file of its own: moving the index to the front means reading back what was written.
    with (
        NamedTemporaryFile(suffix=".mp4") as file,
        av.open(file.name, "w", format="mp4", options={"movflags": "faststart"}) as container,
    ):
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = Fraction(1, 10)
        for pixels in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
        container.close()
        return Path(file.name).read_bytes()
