"""The whole way: put in, find, show, erase."""

from service.api import models
from tests.api.conftest import Api
from tests.api.samples import BLUE, RED, clip, picture


async def test_an_upload_is_found_by_a_picture_and_by_a_clip(gallery: Api) -> None:
    uploaded = clip(RED)  # drawn once: two encodings of the same frames differ in their bytes
    red = await gallery.added("video", uploaded, camera_id="door", captured_at="2026-05-04T10:30:00+02:00")
    blue = await gallery.added("image", picture(BLUE), camera_id="hall")

    by_picture = await gallery.ask(picture(RED))
    by_clip = await gallery.ask(clip(BLUE), kind="video")

    assert by_picture.status_code == by_clip.status_code == 200
    first = models.Answer.model_validate(by_picture.json())
    assert [hit.item_id for hit in first.hits] == [red, blue]
    assert [hit["item_id"] for hit in by_clip.json()["hits"]] == [blue, red]
    hit = by_picture.json()["hits"][0]
    assert hit["start"] == "2026-05-04T08:30:00.000Z"
    assert hit["camera_id"] == "door"
    assert hit["confidence"] is None  # this space has no calibration
    assert (await gallery.http.get(hit["thumbnail"])).headers["content-type"] == "image/jpeg"
    assert (await gallery.http.get(hit["media"])).content == uploaded
