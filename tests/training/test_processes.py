"""`vills train` in two processes, as copies or as shards, and on the device that each was given."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from model.training import place
from model.training.finetune import FinetuneTask
from model.vills.config import VillsConfig
from model.weights import load_weights
from service.commands.main import main
from tests.training.runs import EARLY, SMALL_VIT, command, train, train_on_two

SHARDED = ("--set", "schedule.sharded=true")


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
