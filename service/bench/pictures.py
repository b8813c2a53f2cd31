"""Pictures and clips to measure with: smooth coloured noise, which costs a decoder about what a photograph does."""

import io
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

Frames = npt.NDArray[np.uint8]  # (T, H, W, 3), RGB


def frames(rng: np.random.Generator, n_frames: int, height: int, width: int) -> Frames:
    """Frames that resemble one another like those of a track: one picture with a little noise a frame."""
    coarse = rng.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
    base = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), np.int16)
    grain = rng.integers(-12, 13, (n_frames, height, width, 1), dtype=np.int16)
    pictures: Frames = np.clip(base + grain, 0, 255).astype(np.uint8)
    return pictures


def jpeg(rng: np.random.Generator, height: int = 256, width: int = 128) -> bytes:
    """One JPEG file."""
    out = io.BytesIO()
    Image.fromarray(frames(rng, 1, height, width)[0]).save(out, "JPEG", quality=85)
    return out.getvalue()


def clip(rng: np.random.Generator, path: Path, n_frames: int, height: int = 256, width: int = 128) -> Path:
    """Write one H.264 MP4 file of `n_frames` frames at 25 a second."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "veryfast"})
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for picture in frames(rng, n_frames, height, width):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path
