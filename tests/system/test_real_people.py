"""Real people in one gallery with the drawn ones: each of them is found first, from picture to video and back."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from model.detect.yolox import PersonDetector
from service.client import VillsClient
from service.demo.samples import draw_samples
from service.settings import Settings
from tests.system.conftest import SHARED, running

VIDEO = SHARED / "video" / "intel_one_by_one.mp4"
DETECTOR = SHARED / "models" / "yolox_nano_416.onnx"
NETWORK = SHARED / "models" / "retail-0248.onnx"
# Frames in which each of the six walks through the picture, one after the other.
WALKS = ((60, 195), (235, 440), (515, 680), (760, 850), (930, 1200), (1250, 1350))
STEP = 2  # every other frame is looked at
HELD_BACK = 5  # of the looked-at frames every fifth is kept out of the gallery
PICTURES_ASKED = 3

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not (VIDEO.exists() and DETECTOR.exists()),
        reason=f"the footage and the detector of this test do not lie in {SHARED}",
    ),
]

Pixels = npt.NDArray[np.uint8]


@dataclass
class Person:
    """One person's crops: those that go into the gallery, and those it is asked with."""

    shown: list[Pixels] = field(default_factory=list)
    held_back: list[Pixels] = field(default_factory=list)


def people_of_the_footage() -> list[Person]:
    """The six, each cut from the footage by the detector."""
    people = [Person() for _ in WALKS]
    detector = PersonDetector(DETECTOR)
    for number, frame in enumerate(decoded(VIDEO)):
        walk = next((n for n, (first, last) in enumerate(WALKS) if first <= number <= last), None)
        if walk is None or number % STEP:
            continue
        found = detector.detect(frame)
        if not found:
            continue
        crop = cut(frame, max(found, key=lambda each: each.box[2] * each.box[3]).box)
        person = people[walk]
        kept_out = (len(person.shown) + len(person.held_back)) % HELD_BACK == HELD_BACK // 2
        (person.held_back if kept_out else person.shown).append(crop)
    return people


def decoded(path: Path) -> Iterator[Pixels]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def cut(frame: Pixels, box: tuple[float, float, float, float]) -> Pixels:
    """The box out of the frame, at the size of a tracklet."""
    x, y, width, height = box
    left, top = max(0, round(x)), max(0, round(y))
    crop = frame[top : round(y + height), left : round(x + width)]
    return np.asarray(Image.fromarray(crop).resize((128, 256)))


def tracklet(path: Path, crops: list[Pixels]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = 128, 256, "yuv420p"
        for crop in crops:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(crop, "rgb24")))
        container.mux(stream.encode())
    return path


def picture(crop: Pixels) -> bytes:
    out = BytesIO()
    Image.fromarray(crop).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    "encoder",
    [
        pytest.param(
            f"onnx:{NETWORK}", marks=pytest.mark.skipif(not NETWORK.exists(), reason=f"{NETWORK} is not there")
        ),
        Settings.model_fields["encoder"].default,
    ],
    ids=["onnx", "default"],
)
def test_each_of_six_real_people_is_found_first_both_ways(settings: Settings, encoder: str, tmp_path: Path) -> None:
    people = people_of_the_footage()
    assert min(len(person.held_back) for person in people) >= PICTURES_ASKED
    drawn = draw_samples(tmp_path / "drawn")
    own = settings.model_copy(update={"encoder": encoder})
    with running(own) as service, VillsClient(service.base_url) as vills:
        videos = [
            vills.upload_video(tracklet(tmp_path / f"{n}.mp4", person.shown), camera_id="hall", wait=120).item_id
            for n, person in enumerate(people)
        ]
        images = [
            vills.upload_image(picture(person.held_back[0]), camera_id="hall", wait=120).item_id for person in people
        ]
        for sample in drawn:
            upload = vills.upload_video if sample.kind == "video" else vills.upload_image
            upload(sample.path, camera_id=sample.camera_id, wait=120)
        for n, person in enumerate(people):
            asked = person.held_back[1:]
            for crop in asked[:: max(1, len(asked) // PICTURES_ASKED)]:
                assert vills.query_image([picture(crop)], k=1, target="videos").hits[0].item_id == videos[n]
            asking = tracklet(tmp_path / f"ask-{n}.mp4", asked)
            assert vills.query_video([asking], k=1, target="images").hits[0].item_id == images[n]
