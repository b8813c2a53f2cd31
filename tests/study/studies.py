"""Small studies of drawn people, written into a folder."""

import json
from pathlib import Path

import pytest

from model.study.results import Result
from service.commands.main import main
from tests.systems.tiny import TINY, toml

RUN = """
sources = [{ data = "csv", share = 2 }]
frames = 2
network = { encoder = "vills-tiny", height = 64, width = 32 }
schedule = { steps = 1, warmup = 0 }
"""

STUDY = """
pretrain = "{0}/first.toml"
finetune = "{0}/last.toml"
seeds = [1, 2]
tests = [{{ data = "csv", protocols = ["i2i", "v2v"] }}]
[[variants]]
name = "whole"
[[variants]]
name = "plain"
pretrain = false
finetune = {{ "network.adapters" = false }}
"""


def a_study(folder: Path) -> Path:
    (folder / "last.toml").write_text(RUN)
    (folder / "first.toml").write_text(RUN + "prototypes = 16\n[regions]\npoints = 2\n")
    file = folder / "study.toml"
    file.write_text(STUDY.format(folder))
    return file


def ended(command: list[str]) -> object:
    with pytest.raises(SystemExit) as end:
        main(command)
    return end.value.code


SYSTEMS = """
seeds = [2]
changes = {{ tracks = 3 }}
changes_in_systems = {{ tracks = 2 }}
changes_in = {{ "{0}/run.toml" = {{ "schedule.lr" = 1e-4 }} }}
tests = [
  {{ data = "csv", protocols = ["v2v"] }},
  {{ data = "csv", protocols = ["v2v"], where = {{ seen = "badly" }} }},
]
[[variants]]
name = "sta"
system = [{{ config = "{0}/run.toml", changes = {sta} }}]
[[variants]]
name = "vrstc"
system = [
  {{ config = "{0}/run.toml", changes = {base} }},
  {{ config = "{0}/run.toml", changes = {completion} }},
  {{ config = "{0}/run.toml", changes = {whole} }},
]
"""


CLAIM = """
[[claims]]
says = "parts help"
variant = "sta"
over = "vrstc"
test = "csv v2v seen=badly"
"""  # of systems_study


def systems_study(folder: Path) -> Path:
    (folder / "run.toml").write_text(
        'system = "sta"\nsources = [{ data = "csv", share = 2 }]\nschedule = { steps = 1, warmup = 0 }\n'
    )
    stages = {
        stage: toml({"system": "vrstc", "stage": stage, "settings": TINY["vrstc"] | more})
        for stage, more in (("base", {"non_local": False, "completion": "off"}), ("completion", {}), ("whole", {}))
    }
    file = folder / "systems.toml"
    file.write_text(SYSTEMS.format(folder, sta=toml({"settings": TINY["sta"]}), **stages))
    return file


def told_in(file: Path) -> list[Result]:
    return [
        Result(**{name: value for name, value in row.items() if name not in ("study", "clip_ms")})
        for row in json.loads(file.read_text())
    ]
