"""`vills pictures` and `vills evaluate --pictures`, from the command line to files."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.weights import Origin, save_weights
from service.commands.main import main
from tests.model.onnx_bytes import mean_colour_network
from tests.model.small import SMALL, small_network

FEED = """
layout = "NCHW"
channels = "RGB"
height = 16
width = 8
scale = 1.0
mean = [127.5, 127.5, 127.5]
std = [1, 1, 1]
dimension = 3
licence = "CC0"
"""


def vills(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return int(caught.value.code or 0)


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """Three people of one colour each before two cameras, and a network whose vectors are mean colours."""
    lines = ["path,person_id,camera_id"]
    for person, colour in enumerate(((220, 30, 30), (30, 220, 30), (30, 30, 220)), 1):
        for camera in (1, 2):
            grain = np.random.default_rng(10 * person + camera).integers(-25, 26, (32, 16, 3))
            pixels = np.clip(np.array(colour) + grain, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"{person}-{camera}.png")
            lines.append(f"{person}-{camera}.png,{person},{camera}")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    network = tmp_path / "colour.onnx"
    network.write_bytes(mean_colour_network(["batch", 3, 16, 8]))
    network.with_suffix(".toml").write_text(FEED)
    return tmp_path


def test_evaluation_draws_ranked_lists_beside_its_figures(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = drawn / "new" / "pictures"
    options = ["--data", "csv", "--root", drawn, "--weights", f"onnx:{drawn / 'colour.onnx'}"]
    assert vills("evaluate", *options, "--pictures", out) == 0
    told = capsys.readouterr().out
    assert "rank-1 100.0" in told and str(out / "ranked.png") in told
    assert [path.name for path in out.iterdir()] == ["ranked.png"]  # nobody was mistaken
    few = drawn / "few"
    assert vills("pictures", "ranked", *options, "--out", few, "--rows", 2, "--shown", 3) == 0
    with Image.open(few / "ranked.png") as small, Image.open(out / "ranked.png") as large:
        assert small.width < large.width and small.height < large.height


def test_maps_are_drawn_of_pictures_and_weights(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights, out = drawn / "small.safetensors", drawn / "maps.png"
    network = small_network(config=dataclasses.replace(SMALL, name="vills-tiny"))
    save_weights(weights, network, Origin(trained=True, licence="CC0", training_data="drawn"))
    assert vills("pictures", "maps", drawn / "1-1.png", drawn / "2-1.png", "--weights", weights, "--out", out) == 0
    with Image.open(out) as sheet:
        assert sheet.size[1] > 2 * 256
    assert vills("pictures", "maps", drawn / "lost.png", "--weights", weights, "--out", out) == 2
    assert "lost.png cannot be read" in capsys.readouterr().err


def test_curves_are_drawn_of_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        lines = [json.dumps({"step": step, "loss": 1 / (step + 1), "lr": 1e-3}) for step in range(5)]
        (tmp_path / name / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    out = tmp_path / "curves.png"
    assert vills("pictures", "curves", tmp_path / "a", tmp_path / "b", "--out", out) == 0
    with Image.open(out) as both:
        wide = both.width
    assert vills("pictures", "curves", tmp_path / "a", "--out", out, "--series", "loss") == 0
    with Image.open(out) as one:
        assert one.width < wide
    capsys.readouterr()
    assert vills("pictures", "curves", tmp_path / "a", "--out", out, "--series", "gain") == 2
    assert vills("pictures", "curves", tmp_path / "c", "--out", out) == 2
    assert vills("pictures", "curves", tmp_path / "a", "--out", tmp_path / "curves.gif") == 2
    told = capsys.readouterr().err.splitlines()
    rules = ("no run has the series gain", "cannot be read", "must be a file.png")
    assert len(told) == 3 and all(rule in line for rule, line in zip(rules, told, strict=True))
