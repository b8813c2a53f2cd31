"""`vills evaluate` from end to end on drawn data: colours for persons, and a network whose vectors are mean colours."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from model.data import build, manifest
from model.data.records import Dataset
from model.systems.config import system_config
from model.systems.encoder import drawn_system
from model.weights import Origin, save_weights
from service.commands.main import main
from tests.model.onnx_bytes import mean_colour_network
from tests.model.small import SMALL, small_network
from tests.systems.tiny import TINY

COLOURS = {"anna": (220, 30, 30), "ben": (30, 220, 30), "carl": (30, 30, 220), "dora": (200, 200, 20)}
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


def draw(path: Path, colour: tuple[int, int, int], seed: int) -> None:
    grain = np.random.default_rng(seed).integers(-25, 26, (20, 10, 3))
    Image.fromarray(np.clip(np.array(colour) + grain, 0, 255).astype(np.uint8)).save(path)


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """Four persons before two cameras, a track of three pictures each, besides a distractor and a piece of junk."""
    lines = ["path,person_id,camera_id,track_id,frame"]
    for number, (name, colour) in enumerate(COLOURS.items()):
        for camera in (1, 2):
            for frame in range(3):
                file = f"{name}-{camera}-{frame}.png"
                draw(tmp_path / file, colour, seed=100 * number + 10 * camera + frame)
                lines.append(f"{file},{name},{camera},{name}{camera},{frame}")
    draw(tmp_path / "nobody.png", (120, 120, 160), seed=7)
    draw(tmp_path / "junk.png", COLOURS["anna"], seed=8)
    lines += ["nobody.png,0,2,x,0", "junk.png,-1,2,y,0"]
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture
def network(drawn: Path) -> Path:
    path = drawn / "colour.onnx"
    path.write_bytes(mean_colour_network(["batch", 3, 16, 8]))
    path.with_suffix(".toml").write_text(FEED)
    return path


def evaluate(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["evaluate", *arguments])
    return int(caught.value.code or 0)


def run(drawn: Path, *arguments: str, weights: str) -> dict[str, Any]:
    out = drawn / "figures.json"
    options = ["--data", "csv", "--root", str(drawn), "--weights", weights, "--json", str(out)]
    assert evaluate(*options, *arguments) == 0
    figures: dict[str, Any] = json.loads(out.read_text())
    return figures


@pytest.mark.parametrize("protocol", ["i2i", "i2v", "v2i", "v2v"])
def test_every_protocol_finds_people_of_one_colour(
    drawn: Path, network: Path, protocol: str, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = run(drawn, "--protocol", protocol, weights=f"onnx:{network}")
    # Every person's first track in both cameras asks; all tracks but the junk are the gallery.
    assert (figures["protocol"], figures["queries"], figures["left_out"], figures["gallery"]) == (protocol, 8, 0, 9)
    assert [figures[name] for name in ("rank1", "rank5", "rank10", "rank20", "map", "minp")] == [100] * 6
    assert figures["ap"] == "precision at hits"
    assert (figures["data"], figures["reranked"], figures["encoder"]["name"]) == ("csv", False, "onnx-colour")
    open_set = figures["open_set"]
    midpoint, slope = open_set["calibration"]
    assert open_set["at_threshold"] == {"threshold": midpoint, "fpir": 0, "fnir": 0}
    assert slope > 0 and [point["fpir"] for point in open_set["points"]] == [0, 0, 0]
    told = capsys.readouterr()
    assert f"csv {protocol}, onnx-colour" in told.out and "rank-1 100.0" in told.out
    assert told.err == ""  # no bar where nobody watches


def test_several_protocols_give_the_figures_of_each_by_its_name(
    drawn: Path, network: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Colours of ben for one picture of anna: figures that differ from protocol to protocol.
    draw(drawn / "anna-1-0.png", COLOURS["ben"], seed=1)
    folder = drawn / "pictures"
    options = ["--protocol", "v2v", "--protocol", "i2i", "--protocol", "v2v", "--pictures", str(folder)]
    figures = run(drawn, *options, weights=f"onnx:{network}")
    told = capsys.readouterr().out
    assert list(figures) == ["i2i", "v2v"]
    assert told.index("csv i2i, onnx-colour") < told.index("csv v2v, onnx-colour") and told.count("onnx-colour") == 2
    assert figures["i2i"]["rank1"] != figures["v2v"]["rank1"]
    for protocol, values in figures.items():
        alone = run(drawn, "--protocol", protocol, weights=f"onnx:{network}")
        assert values.keys() == alone.keys() and values["encoder"] == alone["encoder"]
        for name in ("queries", "gallery", "rank1", "rank5", "rank10", "rank20", "map", "minp"):
            assert values[name] == pytest.approx(alone[name])
        assert (folder / protocol / "ranked.png").is_file()


def test_weights_that_know_the_persons_are_told_of(
    drawn: Path, network: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    description = network.with_suffix(".toml")
    for training_data, count in (("market1501", 0), ("csv; distilled from x", 4)):
        description.write_text(f'{FEED}training_data = "{training_data}"\n')
        assert run(drawn, weights=f"onnx:{network}")["persons_trained_on"] == count
        assert ("  warning: 4 of the persons asked for" in capsys.readouterr().out) == bool(count)


def test_a_split_is_tested_and_the_first_is_what_weights_were_trained_on(
    drawn: Path, network: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    everybody = dataclasses.replace(manifest.load(drawn), name="prid2011")
    asked: list[int | None] = []

    def load(root: Path, split: int | None = None) -> Dataset:
        """The first split trains on persons 1 and 2, the other on 3 and 4."""
        asked.append(split)
        train = tuple(each for each in everybody.train if (each.person > 2) == bool(split))
        query = tuple(each for each in everybody.query if each not in train)
        return dataclasses.replace(everybody, train=train, query=query)

    monkeypatch.setattr("model.data.prid2011.load", load)
    monkeypatch.setitem(build.LOADERS, "prid2011", load)
    network.with_suffix(".toml").write_text(f'{FEED}training_data = "prid2011"\n')
    out = drawn / "split.json"
    found = {}
    for split in ([], ["--split", "0"], ["--split", "3"]):
        options = ["--data", "prid2011", "--root", str(drawn), "--weights", f"onnx:{network}", "--json", str(out)]
        assert evaluate(*options, *split) == 0
        figures = json.loads(out.read_text())
        found[figures["split"]] = (figures["queries"], figures["persons_trained_on"])
    assert found == {None: (4, 0), 0: (4, 0), 3: (4, 2)}
    assert asked == [None, 0, 3, None]
    assert "prid2011 split 3 i2i, onnx-colour\n  warning: 2 of" in capsys.readouterr().out


def test_the_other_definition_of_ap_and_re_ranking(drawn: Path, network: Path) -> None:
    plain = run(drawn, "--ap", "trapezoid", weights=f"onnx:{network}")
    assert (plain["ap"], plain["map"]) == ("trapezoid", 100)
    assert evaluate("--data", "csv", "--root", str(drawn), "--weights", f"onnx:{network}", "--rerank") == 2  # 17 < 21


def test_re_ranking_a_gallery_that_is_large_enough(
    drawn: Path, network: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Every picture a track of its own: 8 queries, 25 in the gallery.
    lines = (drawn / "manifest.csv").read_text().splitlines()
    rows = [line.split(",")[:3] for line in lines]
    (drawn / "manifest.csv").write_text("\n".join(",".join(row) for row in rows))
    plain = run(drawn, weights=f"onnx:{network}")
    reranked = run(drawn, "--rerank", weights=f"onnx:{network}")
    assert (plain["queries"], plain["gallery"], plain["rank1"]) == (8, 25, 100)
    assert reranked["reranked"] and reranked["rank1"] == 100
    assert reranked["open_set"] == plain["open_set"]  # always of plain cosines
    assert "re-ranked" in capsys.readouterr().out


def test_weights_of_a_vills_network_name_their_encoder(drawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VILLS_THREADS", "1")
    weights = drawn / "small.safetensors"
    network = small_network(config=dataclasses.replace(SMALL, name="vills-tiny"))
    save_weights(weights, network, Origin(trained=True, licence="CC0", training_data="drawn"))
    figures = run(drawn, "--protocol", "v2v", weights=str(weights))
    assert figures["encoder"]["name"] == "vills-tiny"
    assert (figures["encoder"]["licence"], figures["encoder"]["training_data"]) == ("CC0", "drawn")
    assert 0 <= figures["map"] <= 100


def test_the_default_is_of_the_encoder_that_the_environment_names(drawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: `vills-light` was evaluated, whatever VILLS_ENCODER said."""
    monkeypatch.setenv("VILLS_THREADS", "1")
    monkeypatch.setenv("VILLS_ENCODER", "cosam")
    encoder = run(drawn, weights="default")["encoder"]
    assert encoder["name"] == "cosam" and encoder["training_data"].startswith("market1501")


def test_the_default_weights_are_those_that_the_environment_names(drawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: those that come with the product were evaluated, whatever VILLS_WEIGHTS said."""
    monkeypatch.setenv("VILLS_THREADS", "1")
    monkeypatch.setenv("VILLS_ENCODER", "vills-tiny")
    weights = drawn / "own.safetensors"
    network = small_network(config=dataclasses.replace(SMALL, name="vills-tiny"))
    save_weights(weights, network, Origin(trained=True, licence="CC0", training_data="drawn"))
    monkeypatch.setenv("VILLS_WEIGHTS", str(weights))
    assert run(drawn, weights="default")["encoder"]["licence"] == "CC0"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--data", "csv", "--root", "{drawn}", "--weights", "cosam"],
            "--weights cosam is no file: the weights of cosam that come with the product are VILLS_ENCODER=cosam with "
            "--weights default",
        ),
        (
            ["--data", "csv", "--root", "{drawn}", "--weights", "vills-base"],
            "--weights vills-base is no file, and no weights of vills-base come with the product: give a FILE",
        ),
        (["--data", "duke", "--root", "."], "no data set is called 'duke'"),
        (["--data", "csv", "--root", "nowhere"], "nowhere"),
        (["--data", "csv", "--root", "{drawn}", "--weights", "lost.safetensors"], "lost.safetensors cannot be read"),
        (["--data", "csv", "--root", "{drawn}", "--weights", "onnx:lost.onnx"], "lost.onnx does not exist"),
        (["--data", "csv", "--root", "{drawn}", "--split", "1"], "csv has one split, and 1 was asked for: prid2011"),
        (
            ["--data", "csv", "--root", "{drawn}", "--protocol", "x2y"],
            "--protocol is one of i2i, i2v, v2i, v2v, and x2y was given",
        ),
        (["--data", "csv", "--root", "{drawn}", "--json", "nowhere/out.json"], "the folder nowhere is not there"),
        (["--data", "csv", "--root", "{drawn}", "--json", "{drawn}"], "is a folder: name a file with --json"),
        (["--data", "csv", "--root", "{drawn}", "--clips", "whole"], "are how published systems are tested in their"),
        (["--data", "csv", "--root", "{drawn}", "--pictures", "{drawn}/manifest.csv"], "is no folder: name another"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    drawn: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(*(argument.format(drawn=drawn) for argument in arguments)) == 2
    assert message in capsys.readouterr().err


def test_a_picture_that_is_damaged_stops_with_its_name(
    drawn: Path, network: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (drawn / "ben-2-0.png").write_bytes(b"no picture")
    arguments = ["--data", "csv", "--root", str(drawn), "--weights", f"onnx:{network}"]
    assert evaluate(*arguments) == 2
    assert "ben-2-0.png cannot be read" in capsys.readouterr().err


def test_frames_of_one_colour_say_the_same_alone_and_in_any_order(
    drawn: Path, network: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for frames, said in (
        ("all", "onnx-colour\n"),
        ("single", "the best"),
        ("shuffled", "onnx-colour, frames shuffled"),
    ):
        figures = run(drawn, "--protocol", "v2v", "--frames", frames, weights=f"onnx:{network}")
        assert (figures["frames"], figures["rank1"], figures["queries"]) == (frames, 100, 8)
        assert said.replace("the best", "onnx-colour, best single frame") in capsys.readouterr().out


def test_the_best_single_frame_is_the_best_place(drawn: Path, network: Path) -> None:
    """One frame of every track of anna is ben's colour, so that a place in the track decides who is found."""
    for camera, frame in ((1, 0), (2, 2)):
        draw(drawn / f"anna-{camera}-{frame}.png", COLOURS["ben"], seed=1)
    figures = run(drawn, "--protocol", "v2v", "--frames", "single", weights=f"onnx:{network}")
    assert figures["rank1"] == 100  # the middle frames


def test_a_published_system_is_tested_as_its_paper_does(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whole tracks, one picture of each among the queries, and a gallery that holds them or does not."""
    weights = drawn / "tkp.safetensors"
    save_weights(weights, drawn_system(system_config("tkp", TINY["tkp"])), Origin(True, "CC0", "drawn"))
    lines = (drawn / "manifest.csv").read_text().splitlines()
    kept = [line + (",query" if ",1," in line else ",gallery") for line in lines[1:]]
    (drawn / "manifest.csv").write_text("\n".join([lines[0] + ",split", *kept]))
    figures = run(drawn, "--protocol", "i2v", "--clips", "whole", "--ap", "trapezoid", weights=str(weights))
    assert (figures["clips"], figures["without_queries"], figures["queries"]) == ("whole", False, 4)
    assert "i2v, tkp, whole tracks" in capsys.readouterr().out
    options = ["--data", "csv", "--root", str(drawn), "--weights", str(weights)]
    assert evaluate(*options, "--without-queries") == 2
    assert "holds no queries: leave --without-queries out" in capsys.readouterr().err
