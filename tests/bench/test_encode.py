"""`vills bench encode`, tiny: which figures there are and how they hang together, never how large they are."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from model.encoder import EncoderCard
from model.vills.encoder import VillsEncoder
from service.bench.encode import EncodePlan, bare_trunk, flops, matrix_rate, measure_encode
from service.bench.report import Report
from service.commands.main import main
from tests.model.onnx_bytes import mean_colour_network
from tests.model.small import SMALL, random_clips, small_network


def small_encoder() -> VillsEncoder:
    card = EncoderCard("vills-test", SMALL.dimension, SMALL.sampling, "0" * 16, False, "CC0", "none")
    return VillsEncoder(card, small_network(), device=torch.device("cpu"), dtype=torch.float32)


def test_both_kinds_are_measured_against_the_trunk_round_by_round() -> None:
    report = Report()
    measure_encode(small_encoder(), EncodePlan(batch_items=8, rounds=3, seconds=0.01), report)
    images, clips = "vills-test: images, 8 x 1 frames", "vills-test: clips, 2 x 4 frames"
    names = [
        f"{kind}: {what}" for kind in (images, clips) for what in ("bare trunk", "encoder", "encoder / bare trunk")
    ]
    assert [figure.name for figure in report.figures] == names
    assert [figure.unit for figure in report.figures] == ["frames/s", "frames/s", "ratio"] * 2
    assert all(figure.rounds == 3 and figure.low > 0 for figure in report.figures)
    assert [figure.target for figure in report.figures] == ["", "", ">= 0.9"] * 2


def test_the_bare_trunk_is_the_network_s_own_and_pools_its_tokens() -> None:
    encoder, clips = small_encoder(), random_clips(2, 1)
    pooled = bare_trunk(encoder, clips)()
    assert isinstance(pooled, torch.Tensor)
    pixels = torch.from_numpy(clips[:, 0]).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        tokens = encoder.network.trunk((pixels - 127.5) / 127.5)
    torch.testing.assert_close(pooled, tokens.mean(dim=1))


def test_operations_are_those_of_the_matrix_products() -> None:
    """Counted by hand for one frame of the small network: 8 tokens and [CLS], 24 channels, 3 blocks."""
    n_tokens, channels, patch = 9, SMALL.channels, 3 * SMALL.patch**2
    block = n_tokens * channels * channels * (3 + 1 + 4 + 4) + 2 * n_tokens * n_tokens * channels
    parts = 2 * SMALL.parts * (n_tokens - 1) * channels
    fuse = (1 + SMALL.parts) * channels * SMALL.dimension
    image = (n_tokens - 1) * patch * channels + SMALL.depth * block + parts + fuse
    assert flops(small_encoder(), (1, 1)) == 2 * image
    adapters = SMALL.depth * 2 * n_tokens * channels * SMALL.adapter_channels
    assert flops(small_encoder(), (2, 4)) == 8 * 2 * (image + adapters)


def test_the_rate_of_matrix_products_is_a_rate() -> None:
    assert np.isfinite(matrix_rate(torch.device("cpu"), side=64, products=2))


def bench(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["bench", *arguments])
    return int(caught.value.code or 0)


def test_the_command_measures_this_part_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VILLS_BATCH_ITEMS", "2")
    monkeypatch.setenv("VILLS_THREADS", "1")
    monkeypatch.setenv("VILLS_DEVICE", "cpu")
    network = tmp_path / "colour.onnx"
    network.write_bytes(mean_colour_network(["batch", 3, 16, 8]))
    network.with_suffix(".toml").write_text(
        'layout = "NCHW"\nchannels = "RGB"\nheight = 16\nwidth = 8\nscale = 1\nmean = [0, 0, 0]\nstd = [1, 1, 1]\n'
        'dimension = 3\nlicence = "CC0"\n'
    )
    out = tmp_path / "figures.json"
    encoders = ["--encoder", "vills-light", "--encoder", f"onnx:{network}"]
    assert bench("encode", *encoders, "--rounds", "1", "--seconds", "0.1", "--out", str(out)) == 0
    told = capsys.readouterr()
    assert "no trunk to compare with" in told.err.replace("\n", " ") and "bare trunk" in told.out
    names = [figure["name"] for figure in json.loads(out.read_text())["figures"]]
    assert len(names) == 6 and all(name.startswith("vills-light: ") for name in names)


def test_a_part_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("encoding") == 2
    assert "no such part: encoding; the parts are encode" in capsys.readouterr().err
