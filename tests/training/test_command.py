"""`vills train` from end to end on drawn pictures: stopped, resumed, refused, on two processes, and then served."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from model.build import build_encoder
from model.training import place
from model.training.config import PretrainConfig
from model.training.config_files import checked, read_config
from model.training.finetune import FinetuneTask
from model.vills.config import VillsConfig
from model.weights import load_weights
from service.commands.main import main
from tests.model.shared_files import shared_file
from tests.regions.drawn import draw_walker
from tests.training.drawn import draw_people

CONFIG = """
sources = [{ data = "csv", share = 3 }]
frames = 2
network = { encoder = "vills-mobile", height = 64, width = 32 }
schedule = { steps = 3, warmup = 1 }
"""


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """Four persons, and configurations to train on them."""
    draw_people(tmp_path / "people")
    (tmp_path / "tiny.toml").write_text(CONFIG)
    (tmp_path / "self.toml").write_text(CONFIG + "prototypes = 32\n[regions]\npoints = 4\n")
    return tmp_path


SHARDED = ("--set", "schedule.sharded=true")
EARLY = ("--set", "early.step=1", "--set", "early.share=0.5")
SMALL_VIT = ("--set", 'network.encoder="vills-tiny"', "--set", "network.channels=48", "--set", "network.depth=2")


def command(drawn: Path, kind: str, config: str, out: str) -> list[str]:
    """`config` is a file of the folder, or a name that comes with the product."""
    named = str(drawn / config) if config.endswith(".toml") else config
    return ["train", kind, "--config", named, "--data", f"csv={drawn / 'people'}", "--out", str(drawn / out)]


def train(drawn: Path, kind: str, config: str, out: str, *more: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command(drawn, kind, config, out), *more])
    assert ended.value.code == 0


def train_on_two(
    drawn: Path, out: str, *more: str, kind: str = "finetune", config: str = "tiny.toml", device: str = "cpu"
) -> None:
    starter = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--module", "service.commands.main"]
    options = [*command(drawn, kind, config, out), *more]
    surroundings = os.environ | {"VILLS_DEVICE": device}
    subprocess.run([sys.executable, "-m", *starter, *options], check=True, env=surroundings)


@pytest.fixture
def stem(tmp_path: Path) -> list[str]:
    """Weights in the shape of MobileNetV2's, so that the test needs no package that carries real ones."""
    from torchvision.models import mobilenet_v2

    torch.manual_seed(1)
    torch.save(mobilenet_v2(weights=None).state_dict(), tmp_path / "stem.pt")
    return ["--stem-weights", str(tmp_path / "stem.pt")]


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


@pytest.mark.timeout(300)
def test_processes_train_one_network_as_copies_or_as_shards(drawn: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A sharded run is stopped and gone on with, and ends where the one of copies ends. Of both some early weights are
    kept: those of shards could not be mixed, for they could not be copied."""
    train(drawn, "finetune", "tiny.toml", "alone", *SMALL_VIT, *EARLY)
    train_on_two(drawn, "copies", *SMALL_VIT, *EARLY)
    train_on_two(drawn, "shards", *SMALL_VIT, *EARLY, *SHARDED, "--stop-after", "2")
    with pytest.raises(SystemExit):
        main([*command(drawn, "finetune", "tiny.toml", "shards"), *SMALL_VIT, *EARLY, *SHARDED])
    assert "of 2 processes, and 1 process would go on with other batches" in capsys.readouterr().err
    train_on_two(drawn, "shards", *SMALL_VIT, *EARLY, *SHARDED)
    copies, shards, one = (load_weights(drawn / run / "weights.safetensors") for run in ("copies", "shards", "alone"))
    assert copies.config == shards.config == one.config
    name = "fuse.weight"
    assert not torch.equal(copies.tensors[name], one.tensors[name]), "two processes see twice as many pictures"
    torch.testing.assert_close(shards.tensors[name], copies.tensors[name], rtol=1e-2, atol=1e-3)


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


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_large_network_s_configurations_train_shards(drawn: Path) -> None:
    """At a small size, and without teachers: their networks are no part of the product."""
    sources = ("--set", 'sources=[{data="csv",share=2}]', "--set", "schedule.warmup=1", "--set", "schedule.steps=2")
    size = ("--set", "network.height=64", "--set", "network.width=32", "--set", "network.channels=48")
    small = (*sources, *size, "--set", "network.depth=3")
    train_on_two(drawn, "first", *small, "--set", "prototypes=16", kind="pretrain", config="base-pretrain")
    began = ("--weights", str(drawn / "first" / "weights.safetensors"))
    taught = ("--set", "teachers=[]", "--set", "losses.regress=0.0")
    train_on_two(drawn, "second", *small, *taught, *began, config="base")
    config = load_weights(drawn / "second" / "weights.safetensors").config
    assert isinstance(config, VillsConfig) and (config.name, config.adapter_blocks) == ("vills-base", (2,))
    for run in ("first", "second"):
        assert json.loads((drawn / run / "config.json").read_text())["config"]["schedule"]["sharded"]


@pytest.mark.timeout(300)
def test_a_network_with_a_convolutional_stem_can_be_sharded(drawn: Path, stem: list[str]) -> None:
    """Its stem keeps channels last in memory, which shards cannot: it is laid out anew for them."""
    train_on_two(drawn, "shards", *stem, *SHARDED)
    assert load_weights(drawn / "shards" / "weights.safetensors").config.name == "vills-mobile"


def test_batches_are_made_on_the_device_that_the_process_was_given(
    drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were made on the device that its kind begins with."""
    asked: set[str] = set()
    batch = FinetuneTask.batch

    @contextmanager
    def numbered(device: str) -> Iterator[str]:
        yield f"{device}:0"

    def spied(task: FinetuneTask, step: int, micro: int, device: str) -> Any:
        asked.add(device)
        return batch(task, step, micro, device)

    monkeypatch.setenv("VILLS_DEVICE", "cpu")
    monkeypatch.setattr(place, "process_group", numbered)
    monkeypatch.setattr(FinetuneTask, "batch", spied)
    train(drawn, "finetune", "tiny.toml", "run", *SMALL_VIT)
    assert asked == {"cpu:0"}


@pytest.mark.gpu
@pytest.mark.timeout(300)
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="two processes on CUDA need two devices")
@pytest.mark.parametrize("more", [(), SHARDED], ids=["copies", "shards"])
def test_two_devices_train_one_network(drawn: Path, more: tuple[str, ...]) -> None:
    train_on_two(drawn, "run", *SMALL_VIT, *more, device="cuda")
    assert load_weights(drawn / "run" / "weights.safetensors").config.name == "vills-tiny"
