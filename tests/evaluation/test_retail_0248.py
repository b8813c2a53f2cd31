"""The whole path, loader to figures, gives for a published network on Market-1501 what was measured apart from it."""

import os
from pathlib import Path

import pytest

from model.build import build_encoder
from model.data.build import load_dataset
from model.evaluation.evaluate import compare
from model.evaluation.metrics import scores_of
from model.evaluation.protocols import Protocol, probe_of
from tests.model.shared_files import shared_file

FOLDER = "VILLS_TEST_MARKET1501"  # environment: the folder of Market-1501
WANTED: dict[Protocol, tuple[float, float]] = {  # Rank-1 and mAP of person-reidentification-retail-0248
    "i2i": (77.7, 46.9),
    "i2v": (78.4, 54.5),
    "v2i": (81.9, 49.7),
    "v2v": (81.7, 57.1),
}


@pytest.mark.slow
@pytest.mark.timeout(3600)  # 23,000 pictures
def test_retail_0248_on_market() -> None:
    if FOLDER not in os.environ:
        pytest.skip(f"{FOLDER} does not name the folder of Market-1501")
    encoder = build_encoder(f"onnx:{shared_file('models/retail-0248.onnx')}", device="cpu")
    market = load_dataset("market1501", Path(os.environ[FOLDER]))
    scores = [scores_of(each.answers()) for each in compare(encoder, [probe_of(market, each) for each in WANTED])]
    for (protocol, wanted), found in zip(WANTED.items(), scores, strict=True):
        assert (found.rank1, found.map) == pytest.approx(wanted, abs=0.1), protocol  # one decimal, and roundings
