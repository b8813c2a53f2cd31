"""From weights to answer: the calibration in a file's header decides confidence and which hits a query leaves out."""

import dataclasses
import math
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.weights import Origin, save_weights, write_calibration
from service.client import VillsClient
from service.settings import Settings
from tests.model.small import SMALL, small_network
from tests.system.conftest import running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def picture(seed: int) -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 4, 3), np.uint8)
    buffer = BytesIO()
    Image.fromarray(coarse.repeat(16, axis=0).repeat(16, axis=1)).save(buffer, "PNG")
    return buffer.getvalue()


def test_what_is_written_into_the_weights_is_what_queries_are_answered_by(settings: Settings, tmp_path: Path) -> None:
    weights = tmp_path / "small.safetensors"
    network = small_network(config=dataclasses.replace(SMALL, name="vills-tiny"))
    save_weights(weights, network, Origin(trained=True, licence="CC0", training_data="drawn"))
    own = settings.model_copy(update={"encoder": "vills-tiny", "weights": weights})
    with running(own) as service, VillsClient(service.base_url) as vills:
        items = [vills.upload_image(picture(seed), wait=60).item_id for seed in range(4)]
        plain = vills.query_image([picture(0)])
        assert vills.version().min_score is None
    assert {hit.item_id for hit in plain.hits} == set(items)
    assert [hit.confidence for hit in plain.hits] == [None] * 4
    scores = [hit.score for hit in plain.hits]
    midpoint, slope = (scores[1] + scores[2]) / 2, 7.0
    write_calibration(weights, (midpoint, slope))
    with running(own) as service, VillsClient(service.base_url) as vills:  # the gallery is still there: one space
        assert vills.version().min_score == midpoint
        likely = vills.query_image([picture(0)])
        everything = vills.query_image([picture(0)], min_score=-1.0)
        track = likely.hits[0].track_id
        alike = vills.similar(track, min_score=-1.0)
    assert likely.space == plain.space
    assert [hit.track_id for hit in likely.hits] == [hit.track_id for hit in plain.hits[:2]]
    assert [hit.track_id for hit in everything.hits] == [hit.track_id for hit in plain.hits]
    for hit in (*everything.hits, *alike.hits):
        assert hit.confidence == pytest.approx(1 / (1 + math.exp(-slope * (hit.score - midpoint))))
