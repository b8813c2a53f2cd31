"""Sample clips and pictures: what one is, how the drawn ones come onto disk, and their manifest."""

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import av
import numpy as np
from PIL import Image

from service.demo.film import FPS, Pixels, Take, Walker, frames, take, walker
from service.demo.people import cast_people
from service.demo.scene import CAMERAS, HEIGHT, WIDTH, Camera, background

Kind = Literal["video", "image"]

MANIFEST = "manifest.csv"
COLUMNS = ("path", "person_id", "camera_id", "captured_at")
CLIP_FRAMES = 30
STILL_FRAME = 44  # held back: well after the clip has ended
PEOPLE, SEED = 24, 7
OPENING = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)  # when the first person passes the first camera


@dataclass(frozen=True, slots=True)
class Sample:
    """One file of one person. `person_id` is None where nothing says who it is."""

    path: Path
    kind: Kind
    camera_id: str
    person_id: str | None = None
    captured_at: datetime | None = None


def nothing() -> None:
    """The step of somebody who does not watch."""


def draw_samples(
    folder: Path, people: int = PEOPLE, seed: int = SEED, *, step: Callable[[], None] = nothing
) -> list[Sample]:
    """Draw every person before both cameras: a clip, a still of a later moment, and the manifest of all.

    The same seed draws the same pixels. `step` is called once for each person and camera.

    Raises:
        ValueError: fewer than one person.
    """
    walkers = [walker(person) for person in cast_people(people, seed)]
    samples: list[Sample] = []
    for place, camera in enumerate(CAMERAS):
        backdrop = background(camera, np.random.default_rng((seed, 2, place)))
        (folder / camera.name).mkdir(parents=True, exist_ok=True)
        for number, who in enumerate(walkers):
            shot = take(walkers, number, camera, backdrop, (seed, 3, place, number))
            passed = OPENING + timedelta(seconds=95 * number, minutes=7 * place)
            samples += _written(folder, camera, who, shot, passed)
            step()
    write_manifest(folder, samples)
    return samples


def _written(folder: Path, camera: Camera, who: Walker, shot: Take, passed: datetime) -> list[Sample]:
    stem, name = folder / camera.name / who.person.name, who.person.name
    clip, still = stem.with_suffix(".mp4"), stem.with_suffix(".jpg")
    write_clip(clip, frames(shot, range(CLIP_FRAMES)), camera.crf)
    picture = next(frames(shot, range(STILL_FRAME, STILL_FRAME + 1)))
    Image.fromarray(picture).save(still, quality=90)
    later = passed + timedelta(seconds=STILL_FRAME / FPS)
    return [
        Sample(clip, "video", camera.name, name, passed),
        Sample(still, "image", camera.name, name, later),
    ]


def write_clip(path: Path, pictures: Iterable[Pixels], crf: int) -> None:
    """Write RGB pictures, uint8 (HEIGHT, WIDTH, 3), as H.264 in MP4, 25 a second."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": str(crf), "preset": "veryfast"})
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        stream.codec_context.thread_count = 1  # the bytes must not depend on the number of cores
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def write_manifest(folder: Path, samples: Iterable[Sample]) -> None:
    """Write `manifest.csv`, with paths relative to the folder."""
    with (folder / MANIFEST).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for sample in samples:
            moment = sample.captured_at.isoformat() if sample.captured_at else ""
            path = sample.path.relative_to(folder).as_posix()
            writer.writerow((path, sample.person_id or "", sample.camera_id, moment))
