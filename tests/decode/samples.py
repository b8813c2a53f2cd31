"""Real media for the tests: pictures by Pillow, videos by PyAV. Frame i of a video is one flat grey, `grey(i)`."""

from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from PIL import Image

from service.decode.crops import CropSampling, DecodeLimits

LIMITS = DecodeLimits(
    max_image_pixels=50_000_000,
    max_video_pixels=4096 * 2304,
    max_video_seconds=600.0,
    max_video_frames=20_000,
    max_video_streams=8,
    timeout_s=60.0,
    memory_bytes=2**30,
)
# Small enough that every limit is met by a small file.
TIGHT = DecodeLimits(
    max_image_pixels=10_000,
    max_video_pixels=64 * 128,
    max_video_seconds=2.0,
    max_video_frames=40,
    max_video_streams=2,
    timeout_s=60.0,
    memory_bytes=2**30,
)
SAMPLING = CropSampling(frames=8, height=64, width=32, max_clips=8, rule="spread-1")

CODECS = {".mp4": "libx264", ".mov": "libx264", ".mkv": "libx264", ".ts": "libx264"}
CODECS |= {".webm": "libvpx", ".avi": "mpeg4", ".mpg": "mpeg2video"}


def scene(width: int = 64, height: int = 128) -> Image.Image:
    """A picture with four differently coloured quarters and a gradient, so that turns and boxes show."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (220, 30, 30)
    pixels[: height // 2, width // 2 :] = (30, 200, 30)
    pixels[height // 2 :, : width // 2] = (30, 30, 210)
    pixels[height // 2 :, width // 2 :] = (230, 220, 40)
    pixels[..., 2] += np.linspace(0, 30, width).astype(np.uint8)
    return Image.fromarray(pixels)


def noise(width: int, height: int) -> Image.Image:
    """A picture that does not compress to nothing."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def encoded(image: Image.Image, image_format: str, **options: Any) -> bytes:
    """The picture as a file's bytes."""
    stream = BytesIO()
    image.save(stream, image_format, **options)
    return stream.getvalue()


def grey(index: int) -> int:
    """The grey level of frame `index`: three apart, so that lossy coding keeps frames apart."""
    return 20 + 3 * index % 210


def flat_frames(n_frames: int, width: int = 64, height: int = 128) -> list[npt.NDArray[np.uint8]]:
    return [np.full((height, width, 3), grey(index), np.uint8) for index in range(n_frames)]


def write_video(
    path: Path,
    frames: list[npt.NDArray[np.uint8]],
    *,
    rate: int = 15,
    times: list[int] | None = None,
    rotation: int = 0,
    n_streams: int = 1,
    codec: str | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Write frames with the codec that goes with the name's ending. `times`: one for each frame, in 1/rate seconds."""
    height, width = frames[0].shape[:2]
    with av.open(str(path), "w", options=options or {}) as container:
        streams = []
        for _ in range(n_streams):
            stream = container.add_stream(codec or CODECS[path.suffix], rate=rate)
            assert isinstance(stream, VideoStream)
            streams.append(stream)
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.bit_rate = 2_000_000
            if rotation:
                stream.set_display_rotation(rotation)
        for index, pixels in enumerate(frames):
            for stream in streams:
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts = times[index] if times else index
                frame.time_base = Fraction(1, rate)
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


def write_sound(path: Path) -> Path:
    """Half a second of silence and no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        assert isinstance(stream, AudioStream)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
