"""Tiny runs of VILLS, by the command: in this process, or in two."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.commands.main import main

CONFIG = """
sources = [{ data = "csv", share = 3 }]
frames = 2
network = { encoder = "vills-mobile", height = 64, width = 32 }
schedule = { steps = 3, warmup = 1 }
"""
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
