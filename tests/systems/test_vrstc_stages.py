"""VRSTC's three stages: each begins with what the one before it learned, and draws batches of its own."""

import itertools
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model.data.samplers import ClipSampler, PersonSampler
from model.systems.config import system_config
from model.systems.encoder import drawn_system
from model.training.completer import check_before
from model.training.config_files import checked
from model.training.errors import BadConfig
from model.training.system_config import SystemRun
from model.training.system_task import SystemData, SystemTask
from model.weights import load_weights
from tests.systems.runs import config, train
from tests.systems.tiny import TINY
from tests.training.test_completed import DATA

BASE = {"non_local": False, "completion": "off"}


def vrstc(stage: str) -> str:
    text = config("vrstc") + f'stage = "{stage}"\n'
    more = 'non_local = false, completion = "off",' if stage == "base" else ""
    return text.replace("settings = {", f"settings = {{ {more}")


def test_vrstc_is_trained_in_three_stages(tmp_path: Path, people: Path, trunk: Path) -> None:
    """The base net finds what is hidden, a network learns to draw it, and the net of the paper learns with both."""
    assert train(tmp_path, people, vrstc("base"), "--stem-weights", str(trunk), out="base") == 0
    first = tmp_path / "base" / "weights.safetensors"
    assert train(tmp_path, people, vrstc("completion"), "--weights", str(first), out="completion") == 0
    second = tmp_path / "completion" / "weights.safetensors"
    assert train(tmp_path, people, config("vrstc"), "--weights", str(second)) == 0
    begun, drawn, last = (
        load_weights(tmp_path / out / "weights.safetensors").tensors for out in ("base", "completion", "run")
    )
    located = "system.completer.locator.trunk.stages.0.0.0.weight"
    assert torch.equal(begun["system.net.trunk.stages.0.0.0.weight"].half(), drawn[located].half())
    assert torch.equal(drawn[located], last[located])
    completer = [name for name in drawn if name.startswith("system.completer.stcnet")]
    assert completer and all(torch.equal(drawn[name], last[name]) for name in completer)
    own = "system.net.trunk.trunk.stages.0.0.0.weight"
    assert not torch.equal(drawn[own], last[own])
    assert [len(list((tmp_path / out).glob("completed-*.npy"))) for out in ("base", "completion", "run")] == [0, 0, 2]
    for more in (("--stop-after", "1"), ()):  # going on, it needs no weights, and draws again what is gone
        begun_with = ("--weights", str(second)) if more else ()
        assert train(tmp_path, people, config("vrstc"), *begun_with, *more, out="parts") == 0
        for file in (tmp_path / "parts").glob("completed-*.npy"):
            file.unlink()
    parts = load_weights(tmp_path / "parts" / "weights.safetensors").tensors
    assert all(torch.equal(tensor, parts[name]) for name, tensor in last.items())


def test_no_stage_of_vrstc_begins_with_what_the_one_before_it_does_not_make(
    tmp_path: Path, people: Path, trunk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bug: each of these ran to weights, and completed its pictures by a network as drawn; now none is packed."""
    stem, base = ("--stem-weights", str(trunk)), tmp_path / "base" / "weights.safetensors"
    assert train(tmp_path, people, vrstc("base"), *stem, out="base") == 0
    learned = "by what stage completion learned, and begins with"
    for stage, begun, told in (
        ("whole", stem, f"{learned}out weights"),
        ("whole", ("--weights", str(base)), f"{learned} {base}"),
        ("completion", stem, "by a base net, and begins without weights"),
    ):
        assert train(tmp_path, people, vrstc(stage), *begun) == 2
        assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("run", "before", "told"),
    [
        ({"stage": "completion"}, {"completion": "off"}, "by a base net, and begins with F: give the weights of stage"),
        ({}, {"completion": "off"}, "and begins with F: give the weights of that stage"),
        ({"settings": {"threshold": "fence"}}, {}, "threshold is 'fence', and F learned with 0.89"),
        ({"settings": {"threshold": 0.5}}, {"threshold": "fence"}, "threshold is 0.5, and F learned with 'fence'"),
        ({"stage": "completion"}, BASE, ""),
        ({"stage": "completion"}, {}, ""),
        ({}, {"threshold": 0.5}, ""),
        ({"settings": {"completion": "off"}}, {"completion": "off"}, ""),
    ],
)
def test_what_a_stage_of_vrstc_may_begin_with(run: dict[str, Any], before: dict[str, Any], told: str) -> None:
    """Also where shapes alone would say nothing, or more than anybody can read."""
    values = {"system": "vrstc", "sources": [{"data": "csv", "share": 2}], "schedule": {"steps": 9, "warmup": 0}}
    stage = checked(SystemRun, values | run, "test")
    with pytest.raises(BadConfig, match=told) if told else nullcontext():
        check_before(stage, system_config("vrstc", before), "F")


def test_a_completion_network_that_goes_on_knows_which_frames_are_clear(
    tmp_path: Path, people: Path, trunk: Path
) -> None:
    assert train(tmp_path, people, vrstc("base"), "--stem-weights", str(trunk), out="base") == 0
    begun = "--weights", str(tmp_path / "base" / "weights.safetensors")
    assert train(tmp_path, people, vrstc("completion"), *begun, out="whole") == 0
    for more in ((*begun, "--stop-after", "1"), ()):
        assert train(tmp_path, people, vrstc("completion"), *more, out="parts") == 0
    whole, parts = (load_weights(tmp_path / out / "weights.safetensors").tensors for out in ("whole", "parts"))
    assert all(torch.equal(tensor, parts[name]) for name, tensor in whole.items())


def test_no_stage_draws_what_another_stage_or_seed_does() -> None:
    """The last stage draws by the seed itself, as every system of one stage does."""
    values = {"sources": [{"data": "csv", "share": 2}], "schedule": {"steps": 1, "average": 0.0}}
    draws = {
        checked(SystemRun, values | {"system": "vrstc", "seed": seed, "stage": stage, "settings": more}, "test").draws
        for seed in range(20)
        for stage, more in (("base", BASE), ("completion", {}), ("whole", {}))
    }
    assert len(draws) == 60 and set(range(20)) <= draws and max(draws) < 2**32
    assert checked(SystemRun, values | {"system": "sta", "seed": 7}, "test").draws == 7


def test_stages_of_one_seed_see_other_pictures_in_other_ways() -> None:
    values = {"system": "vrstc", "schedule": {"steps": 1, "average": 0.0}, "augment": {"flip": 1.0}}
    pixels = np.random.default_rng(1).integers(0, 256, (14, 64, 32, 3), np.uint8)
    batches = []
    for stage in ("base", "completion", "whole"):
        sources = [{"data": "csv", "share": 2}]
        settings = TINY["vrstc"] | (BASE if stage == "base" else {})
        run = checked(SystemRun, values | {"stage": stage, "sources": sources, "settings": settings}, "test")
        sampler = ClipSampler(PersonSampler(DATA, (2,), 2, 2, run.draws), "window", 1)
        task = SystemTask(drawn_system(run.network_config(), 1), run, SystemData(pixels, sampler, None))
        batches.append(task.batch(0, 0, "cpu")["frames"])
        assert torch.equal(batches[-1], task.batch(0, 0, "cpu")["frames"])
    assert not any(torch.equal(one, other) for one, other in itertools.combinations(batches, 2))


@pytest.mark.parametrize("stage", ["base", "completion", "whole"])
def test_a_configuration_that_was_written_down_is_read_again(stage: str) -> None:
    """Bug: of stage completion it held an average that nobody asked for, so studies took their figures for others'."""
    settings = BASE if stage == "base" else {}
    values = {"system": "vrstc", "stage": stage, "settings": settings, "schedule": {"steps": 9, "warmup": 0}}
    run = checked(SystemRun, values | {"sources": [{"data": "csv", "share": 2}]}, "test")
    assert run.schedule.average == (0.0 if stage == "completion" else 0.999)
    assert checked(SystemRun, json.loads(run.model_dump_json()), "test") == run
