"""`vills export` from a file of weights to an encoder that is served."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from model.build import build_encoder
from model.weights import Origin, save_weights
from service.commands.main import main
from tests.model.small import SMALL, random_clips, small_network


def export(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["export", *arguments])
    return int(caught.value.code or 0)


def test_what_is_written_is_served_and_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("model.vills.build.pick_dtype", lambda _: torch.float32)
    weights, out = tmp_path / "small.safetensors", tmp_path / "small.onnx"
    network = small_network(config=dataclasses.replace(SMALL, name="vills-tiny"))
    save_weights(weights, network, Origin(trained=True, licence="CC0", training_data="drawn"))
    assert export("--weights", str(weights), "--out", str(out)) == 0
    told = capsys.readouterr()
    assert f"vills-tiny written to {out}" in told.out and f"VILLS_ENCODER=onnx:{out}" in told.out
    assert told.err == ""
    clips, mask = random_clips(2, 3), np.array([[True, True, True], [True, False, False]])
    want = build_encoder("vills-tiny", weights=weights, device="cpu", threads=1).encode(clips, mask)
    got = build_encoder(f"onnx:{out}", device="cpu", threads=1).encode(clips, mask)
    np.testing.assert_allclose(got, want, rtol=0, atol=2e-5)


def test_the_default_is_what_comes_with_the_product(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped, out = tmp_path / "shipped.safetensors", tmp_path / "small.onnx"
    save_weights(shipped, small_network(), Origin(trained=True, licence="CC0", training_data="shipped"))
    monkeypatch.setattr("model.vills.trained.trained_weights", lambda _: shipped)
    assert export("--out", str(out)) == 0
    assert build_encoder(f"onnx:{out}").card.training_data == "shipped"
    assert capsys.readouterr().err == ""


def test_a_network_without_training_is_exported_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written: list[Origin] = []
    monkeypatch.setattr("model.vills.trained.trained_weights", lambda _: None)
    monkeypatch.setattr("model.export.export_onnx", lambda _, origin, *__, **___: written.append(origin))
    assert export("--out", str(tmp_path / "x.onnx")) == 0
    assert [origin.trained for origin in written] == [False]
    assert "is not trained" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("weights", "out", "message"),
    [
        ("lost.safetensors", "x.onnx", "lost.safetensors cannot be read"),
        ("onnx:x.onnx", "x.onnx", "onnx:x.onnx is no VILLS network"),
        ("default", "x.pt", "x.pt must be a file.onnx"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    tmp_path: Path,
    weights: str,
    out: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert export("--weights", weights, "--out", out) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1
    assert not list(tmp_path.iterdir())
