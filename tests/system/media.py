"""Clips and pictures for whole-service tests, made here: blobs of colours that no two seeds share."""

import io
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]


def blobs(seed: int) -> Pixels:
    """One picture (256, 128, 3), RGB."""
    coarse = np.random.default_rng(seed).integers(0, 255, (8, 4, 3), np.uint8)
    return coarse.repeat(32, axis=0).repeat(32, axis=1)


def picture(seed: int) -> bytes:
    """A PNG file."""
    out = io.BytesIO()
    Image.fromarray(blobs(seed)).save(out, "PNG")
    return out.getvalue()


def clip(path: Path, seed: int, n_frames: int = 10) -> Path:
    """An H.264 MP4 file in which nothing moves."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 128, 256, "yuv420p"
        frame = av.VideoFrame.from_ndarray(blobs(seed), "rgb24")
        for _ in range(n_frames):
            frame.pts = None
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
