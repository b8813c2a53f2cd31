"""The commands of docs/systems.md: each can be given, and those of the table on MARS follow one another."""

import re
import tomllib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from model.training.config_files import checked, read_config
from model.training.system_config import FOLDER, SystemRun
from model.training.transfer_config import FOLDER as TRANSFERS
from tests.shown import parsed, shown_commands

TEXT = (Path(__file__).parents[2] / "docs" / "systems.md").read_text()
SECTION = TEXT.partition("## A run on MARS")[2].partition("\n## ")[0]
SHORT = dict(re.findall(r'^([A-Z]+)="(.*)"$', SECTION, re.MULTILINE))  # $TRAIN and $TEST
ROWS = [line.strip("| ").split(" | ") for line in SECTION.splitlines() if line.startswith("| ")][1:]


def commands(cell: str) -> list[str]:
    """Those in a cell of the table, in full."""
    short = "|".join(SHORT)
    found = re.findall(rf"`((?:vills|\$(?:{short})) [^`]*)`", cell)
    return [re.sub(rf"^\$({short})", lambda name: SHORT[name[1]], command) for command in found]


TRAIN = [command for row in ROWS for command in commands(row[1])]
TEST = {row[0]: commands(row[2]) for row in ROWS}
BLOCKS = [line for line in shown_commands(TEXT) if " train " in line]


@cache
def runs() -> list[dict[str, Any]]:
    """What the commands that train give: those of the table, and of the sections it refers to."""
    return [parsed(line)[1] for line in (*TRAIN, *BLOCKS)]


def run_of(values: dict[str, Any]) -> SystemRun:
    """The configuration of `vills train system` with these options. Raises BadConfig."""
    changes = tomllib.loads("\n".join(values["change"]))  # each is a line of TOML
    return checked(SystemRun, read_config(values["config"], changes, folder=FOLDER), values["config"])


@pytest.mark.parametrize("command", TRAIN)
def test_a_row_s_command_trains_a_configuration_that_can_be_used(command: str) -> None:
    name, values = parsed(command)
    assert name == "system"
    run_of(values)


def test_a_run_begins_with_one_file_of_weights() -> None:
    """`vills train` refuses --weights beside --stem-weights; and those of a stage are of a run before it."""
    outs = [run["out"] for run in runs()]
    for run in runs():
        weights = run.get("weights")
        assert (weights is None) != (run["stem_weights"] is None), run["config"]
        assert weights is None or weights.parent in outs, run["config"]


def test_every_run_has_a_folder_of_its_own() -> None:
    """A second run in the folder of another configuration is refused. A code block may show a row's command again."""
    outs = [parsed(line)[1]["out"] for line in TRAIN]
    assert len(set(outs)) == len(outs)
    shown = {(run["out"], run["config"], *run["change"], run.get("weights")) for run in runs()}
    assert len({out for out, *_ in shown}) == len(shown)


@pytest.mark.parametrize("row", TEST)
def test_a_row_s_test_is_of_weights_that_are_trained(row: str) -> None:
    assert TEST[row], "each row has a command of its own"
    for command in TEST[row]:
        name, values = parsed(command)
        assert (name, values["data"]) == ("evaluate", "mars")
        assert Path(values["weights"]) in [run["out"] / "weights.safetensors" for run in runs()]


def test_cosam_and_its_baseline_have_a_row_for_each_way_to_pool() -> None:
    """Table 4 of the paper; with an RNN the program learns at 1e-4."""
    names, found = ("cosam", "cosam-se", "baseline"), {}
    for line in TRAIN:
        values = parsed(line)[1]
        if values["config"] in names:
            run = run_of(values)
            found[values["config"], run.network_config().settings.pooling] = run.schedule.lr
    rates = {"average": 3e-4, "attention": 3e-4, "rnn": 1e-4}
    assert found == {(name, way): lr for name in names for way, lr in rates.items()}


def test_each_network_that_is_trained_is_tested() -> None:
    tested = {Path(parsed(command)[1]["weights"]).parent for row in TEST.values() for command in row}
    begun_from = {run["weights"].parent for run in runs() if run.get("weights")}
    assert {parsed(line)[1]["out"] for line in TRAIN} <= tested | begun_from


def test_every_configuration_has_a_command() -> None:
    """But for the small ones, which a study runs, and `attributes`, from which attribute transfer writes another."""
    shipped, transfers = (
        {each.name.removesuffix(".toml") for each in (resources.files("model") / folder).iterdir()}
        for folder in (FOLDER, TRANSFERS)
    )
    paper = {name for name in shipped if not name.endswith("-small")}
    named = {run["config"] for run in runs() if not run["config"].endswith(".toml")}
    assert paper - {"attributes"} <= named <= shipped | transfers
