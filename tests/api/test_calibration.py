"""What a calibration does to answers: confidence, and which hits are left out when a query does not say."""

import math
from dataclasses import replace

import pytest

from index.space import Space
from service.api.calibration import confidence, usual_min_score
from tests.api.conftest import Api, eventually
from tests.api.fake_worker import SPACE
from tests.api.samples import BLUE, RED, picture

CALIBRATED = replace(SPACE, calibration=(0.6, 8.0))


def test_the_confidence_is_the_logistic_and_one_half_at_the_midpoint() -> None:
    assert confidence(0.6, CALIBRATED) == 0.5
    for score in (-1.0, 0.2, 0.7, 1.0):
        assert confidence(score, CALIBRATED) == pytest.approx(1 / (1 + math.exp(-8 * (score - 0.6))))
    steep = replace(SPACE, calibration=(0.0, 1e6))
    assert (confidence(-1.0, steep), confidence(1.0, steep)) == (0, 1)
    assert confidence(0.6, SPACE) is None


@pytest.mark.parametrize(
    ("calibration", "least"), [(None, None), ((0.6, 8.0), 0.6), ((1.7, 8.0), 1.0), ((-3.0, 8.0), -1.0)]
)
def test_hits_below_the_midpoint_are_left_out_unless_asked_for(
    calibration: tuple[float, float] | None, least: float | None
) -> None:
    assert usual_min_score(replace(SPACE, calibration=calibration)) == least


async def test_a_calibrated_space_answers_with_confidence_and_without_unlikely_hits(gallery: Api) -> None:
    red = await gallery.added("image", picture(RED))
    blue = await gallery.added("image", picture(BLUE))
    assert [hit["item_id"] for hit in (await gallery.ask(picture(RED))).json()["hits"]] == [red, blue]
    assert (await gallery.http.get("/version")).json()["min_score"] is None
    await gallery.redis.hset("vills:spaces", SPACE.id, CALIBRATED.to_json())
    assert Space.from_json(CALIBRATED.to_json()) == CALIBRATED

    async def followed() -> bool:
        return bool((await gallery.http.get("/version")).json()["min_score"] == 0.6)

    await eventually(followed)
    (hit,) = (await gallery.ask(picture(RED))).json()["hits"]
    assert hit["item_id"] == red
    assert hit["confidence"] == confidence(hit["score"], CALIBRATED)
    everything = (await gallery.ask(picture(RED), min_score="-1")).json()["hits"]
    assert [each["item_id"] for each in everything] == [red, blue]
    assert everything[1]["confidence"] < 0.5


async def test_whoever_is_told_ready_is_answered_by_what_workers_registered(gallery: Api) -> None:
    assert (await gallery.http.get("/version")).json()["min_score"] is None
    await gallery.redis.hset("vills:spaces", SPACE.id, CALIBRATED.to_json())
    assert (await gallery.http.get("/readyz")).json()["checks"]["space"] == SPACE.id
    assert (await gallery.http.get("/version")).json()["min_score"] == 0.6
