"""Frames of a sample, for the colour baseline and the contact sheet. The service never sees these."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from service.demo.samples import Sample
from service.demo.scene import HEIGHT, WIDTH

Pixels = npt.NDArray[np.uint8]  # (HEIGHT, WIDTH, 3) RGB
EVERY = 4  # frames of a clip from one that is looked at to the next
MOST = 16  # frames of a clip that are looked at


def sample_frames(sample: Sample) -> list[Pixels]:
    """Some frames of a clip, or the one picture, resized to (HEIGHT, WIDTH, 3).

    Empty where this process cannot read the file, whatever the service made of it.
    """
    try:
        return list(_clip_frames(sample.path) if sample.kind == "video" else _picture(sample.path))
    except (OSError, ValueError, Image.DecompressionBombError, av.FFmpegError):
        return []


def _picture(path: Path) -> Iterator[Pixels]:
    with Image.open(path) as picture:
        yield _sized(ImageOps.exif_transpose(picture))


def _clip_frames(path: Path) -> Iterator[Pixels]:
    with av.open(path) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number >= EVERY * MOST:
                return
            if number % EVERY == 0:
                yield _sized(Image.fromarray(frame.to_ndarray(format="rgb24")))


def _sized(picture: Image.Image) -> Pixels:
    return np.asarray(picture.convert("RGB").resize((WIDTH, HEIGHT)), np.uint8)
