"""`vills train` from end to end on drawn pictures: stopped, resumed, refused, and then served."""

import json
import re
import signal
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from model.build import build_encoder
from model.training.config import PretrainConfig
from model.training.config_files import checked, read_config
from model.weights import load_weights
from service.commands.main import main
from tests.model.shared_files import shared_file
from tests.regions.drawn import draw_walker
from tests.training.runs import CONFIG, SMALL_VIT, command, train


def test_pre_trained_then_fine_tuned_weights_are_served(
    drawn: Path, stem: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    train(drawn, "pretrain", "self.toml", "first", *stem, "--stop-after", "2")
    assert "stopped; run again to go on" in capsys.readouterr().out
    train(drawn, "pretrain", "self.toml", "first", *stem)
    said = capsys.readouterr()
    assert "weights written to" in said.out and f"{drawn / 'first'}: resumed from step 2\n" in said.err
    weights = drawn / "first" / "weights.safetensors"
    train(
        drawn,
        "finetune",
        "tiny.toml",
        "second",
        "--weights",
        str(weights),
        "--set",
        "network.height=128",
        "--set",
        "network.width=64",
    )
    encoder = build_encoder("vills-mobile", weights=drawn / "second" / "weights.safetensors", threads=1)
    assert (encoder.card.trained, encoder.card.training_data) == (True, "csv; stem begun from stem")
    assert encoder.card.licence == "as the pictures of the manifest it was trained on allow"
    assert (encoder.card.sampling.height, encoder.card.sampling.width) == (128, 64)
    clips = np.random.default_rng(0).integers(0, 256, (2, 3, 128, 64, 3), np.uint8)
    assert np.isfinite(encoder.encode(clips, np.ones((2, 3), np.bool_))).all()
    told = json.loads((drawn / "second" / "config.json").read_text())
    assert told["config"]["schedule"]["steps"] == 3
    written = load_weights(drawn / "second" / "weights.safetensors").origin
    assert [{"step": 0, "version": written.code}] == told["code"] and written.code
    steps = [json.loads(line)["step"] for line in (drawn / "first" / "metrics.jsonl").read_text().splitlines()]
    assert steps == [2, 3]


def test_a_run_goes_on_from_its_checkpoint_alone_and_on_its_own_data(
    drawn: Path, stem: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (drawn / "run").mkdir()
    (drawn / "run" / "weights.safetensors").write_text("of an earlier run")
    train(drawn, "pretrain", "self.toml", "run", *stem, "--stop-after", "1")
    assert "stopped; run again to go on" in capsys.readouterr().out
    Path(stem[1]).unlink()
    train(drawn, "pretrain", "self.toml", "run", *stem, "--stop-after", "1")
    manifest = drawn / "people" / "manifest.csv"
    manifest.write_text(manifest.read_text().replace(",p3,", ",p2,"))
    options = ["--data", f"csv={drawn / 'people'}", "--out", str(drawn / "run")]
    with pytest.raises(SystemExit):
        main(["train", "pretrain", "--config", str(drawn / "self.toml"), *options, *stem])
    assert "is of a run on other data" in capsys.readouterr().err


def draw_walkers(folder: Path) -> None:
    """Two persons before two cameras, two pictures each."""
    folder.mkdir()
    lines = ["path,person_id,camera_id,track_id,frame"]
    for person, camera, frame in product(range(2), range(2), range(2)):
        shown = draw_walker(person, seconds=0.2 + 0.2 * frame, yaw=0.3 - 0.6 * camera)
        Image.fromarray(shown.pixels).save(folder / f"{person}-{camera}-{frame}.png")
        lines.append(f"{person}-{camera}-{frame}.png,p{person},{camera},{person}{camera},{frame}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")


def test_regions_come_from_the_bodies_that_the_pose_network_sees(tmp_path: Path, stem: list[str]) -> None:
    """It sees each picture once; a second run finds what it saw, and ends alike."""
    pytest.importorskip("ai_edge_litert")
    options = ["--pose", str(shared_file("models/pose_landmark_full.tflite")), "--set", 'regions.proposer="pose"']
    (tmp_path / "self.toml").write_text(CONFIG + "prototypes = 32\n[regions]\npoints = 4\n")
    draw_walkers(tmp_path / "people")
    kept = []
    for out in ("first", "second"):
        train(tmp_path, "pretrain", "self.toml", out, *stem, *options)
        [bodies] = (tmp_path / "cache").glob("bodies-*.npz")
        kept.append((bodies.stat().st_mtime_ns, load_weights(tmp_path / out / "weights.safetensors").tensors))
        with np.load(bodies) as seen:
            assert seen["scores"].shape == (8,) and (seen["scores"] > 0.5).all()
        steps = [json.loads(line) for line in (tmp_path / out / "metrics.jsonl").read_text().splitlines()]
        assert all(step["loss/lse"] > 0 and step["loss/parts"] > 0 for step in steps) and steps
    (first_seen, first), (second_seen, second) = kept
    assert first_seen == second_seen
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_the_configuration_with_bodies_differs_from_the_other_by_them_alone() -> None:
    other, posed = (
        checked(PretrainConfig, read_config(name), name) for name in ("light-128-pretrain", "light-128-pretrain-pose")
    )
    assert (other.regions.proposer, posed.regions.proposer) == ("affinity", "pose")
    assert posed.model_copy(update={"regions": other.regions}) == other


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--config", "nowhere.toml"], "nowhere.toml': name a .toml file or one of"),
        (["--set", "schedule.steps=0"], "schedule.steps: Input should be greater than or equal to 1"),
        (["--set", "schedule.steps"], "is not KEY=VALUE"),
        (["--set", "=3"], "--set '=3' is not KEY=VALUE: name what is set"),
        (["--set", "schedule.=3"], "--set 'schedule.=3' is not KEY=VALUE: name what is set"),
        (["--data", "csv"], "is not NAME=DIR"),
        (["--data", "cvs=people"], "no data set is called 'cvs', there are market1501"),
        (["--data", "csv=elsewhere"], "gives csv two folders"),
        (["--set", "sources.share=3"], "sources is no section"),
        (["--weights", "first.safetensors"], "fill the stem as well"),
        (["--stem-weights", "{drawn}/self.toml"], "self.toml are no file that torch saved"),
        (["--out", "/dev/null"], "the run in /dev/null cannot go on"),
        (["--cache", "/dev/null"], "with --out and --cache"),
        (["--set", 'sources=[{data="cuhk01",share=2}]'], "trains on cuhk01 and no folder is given for it"),
        (["--set", 'regions.proposer="pose"'], "need the pose network: --pose FILE"),
        (["--set", 'regions.proposer="pose"', "--pose", "pose.tflite"], "pose.tflite does not exist"),
        (["--pose", "pose.tflite"], "leave it out, or --set 'regions.proposer=\"pose\"'"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    drawn: Path, stem: list[str], more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--config", str(drawn / "self.toml"), "--data", f"csv={drawn / 'people'}", "--out", str(drawn / "x")]
    with pytest.raises(SystemExit) as ended:
        main(["train", "pretrain", *options, *stem, *(word.replace("{drawn}", str(drawn)) for word in more)])
    error = capsys.readouterr().err
    assert ended.value.code == 2 and said in error and error.count("\n") == 1


def test_weights_to_start_from_that_are_missing_are_named(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--config", str(drawn / "tiny.toml"), "--data", f"csv={drawn / 'people'}", "--out", str(drawn / "x")]
    with pytest.raises(SystemExit):
        main(["train", "finetune", *options, "--weights", "missing.safetensors"])
    assert "missing.safetensors cannot be read" in capsys.readouterr().err


def test_a_single_picture_is_nothing_to_learn_from(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = drawn / "people" / "manifest.csv"
    manifest.write_text("\n".join(manifest.read_text().splitlines()[:2]) + "\n")
    options = ["--config", str(drawn / "tiny.toml"), "--data", f"csv={drawn / 'people'}", "--out", str(drawn / "x")]
    with pytest.raises(SystemExit):
        main(["train", "finetune", *options, "--set", 'network.encoder="vills-tiny"'])
    assert "one picture of persons to train on: give at least two" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_run_that_is_killed_picks_up_where_it_was(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By a signal that nothing can answer, at a time that nobody chose."""
    long = (*SMALL_VIT, "--set", "schedule.steps=60")
    train(drawn, "finetune", "tiny.toml", "whole", *long)
    options = [*command(drawn, "finetune", "tiny.toml", "killed"), *long, "--save-every", "0"]
    run = subprocess.Popen([sys.executable, "-m", "service.commands.main", *options])
    while run.poll() is None and not (drawn / "killed" / "checkpoint.pt").exists():
        time.sleep(0.05)
    run.kill()
    assert run.wait() == -signal.SIGKILL
    assert not (drawn / "killed" / "weights.safetensors").exists()
    train(drawn, "finetune", "tiny.toml", "killed", *long)
    assert re.search(r"killed: resumed from step [1-9]", capsys.readouterr().err)
    whole, killed = (load_weights(drawn / out / "weights.safetensors").tensors for out in ("whole", "killed"))
    assert whole.keys() == killed.keys()
    for name, tensor in whole.items():
        assert torch.equal(tensor, killed[name]), name
