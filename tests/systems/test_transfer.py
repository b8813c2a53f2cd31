"""Attributes are carried from one data set to another, by a command, and attribute-driven disentangling learns them."""

import csv
import json
import shutil
import tomllib
from importlib import resources
from pathlib import Path

import pytest

from model.data import build
from model.data.records import Dataset
from model.training.config_files import checked, read_config
from model.training.errors import BadConfig
from model.training.transfer import _text
from model.training.transfer_config import FOLDER, TransferRun
from model.weights import load_weights
from service.commands.main import main
from tests.systems.tiny import SMALL, draw_trunk, toml
from tests.training.drawn import draw_people

RUN = """
labelled = {{ data = "csv", share = 6 }}
target = {{ data = "market1501", share = 6 }}
settings = {settings}
schedule = {{ steps = {steps}, warmup = 0, average = 0.0, optimiser = "adam", lr = 1e-3 }}
[attributes]
first = ["known", "even"]
second = ["kind"]
"""
COLUMNS = {
    "known": lambda person, frame: "1",
    "even": lambda person, frame: str(person % 2),
    "kind": lambda person, frame: "abcd"[person],
}


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same people without attributes, in the place of Market-1501: three train, the last is asked for."""
    draw_people(tmp_path / "target")

    def load(root: Path) -> Dataset:
        pictures = build.LOADERS["csv"](root).train
        last = max(picture.person for picture in pictures)
        train = tuple(picture for picture in pictures if picture.person < last)
        own = tuple(picture for picture in pictures if picture.person == last)
        return Dataset("market1501", train, own[:3], own)

    monkeypatch.setitem(build.LOADERS, "market1501", load)
    return tmp_path / "target"


def ended(*command: str) -> int:
    with pytest.raises(SystemExit) as end:
        main([*command])
    return int(end.value.code or 0)


def run(folder: Path, target: Path, *more: str, steps: int = 60) -> int:
    config = folder / "transfer.toml"
    config.write_text(RUN.format(settings=toml(SMALL | {"trunk": "resnet18"}), steps=steps))
    data = ["--data", f"csv={folder / 'people'}", "--data", f"market1501={target}"]
    return ended("train", "transfer", "--config", str(config), *data, "--out", str(folder / "run"), *more)


@pytest.mark.timeout(300)
def test_what_one_data_set_says_of_people_is_told_of_the_same_people_in_another(
    tmp_path: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_people(tmp_path / "people", COLUMNS)
    trunk = draw_trunk(tmp_path)
    base = tmp_path / "mine.toml"  # groups of its own, none of which the data have
    base.write_text('base = "attributes"\nattributes = { hat = ["felt"] }\n')
    where = ("--set", f"prepares={json.dumps(str(base))}")
    assert run(tmp_path, target, *where, "--stop-after", "30") == 0
    assert "run again to go on" in capsys.readouterr().out
    assert not (tmp_path / "run" / "manifest.csv").exists()
    assert run(tmp_path, target, *where) == 0
    with (tmp_path / "run" / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 18
    for row in rows:
        person = int(Path(row["path"]).name[0])
        told = {name: row[name] for name in ("known", "even", "kind=a", "kind=b", "kind=c", "kind=d")}
        kinds = {f"kind={kind}": str(int("abcd"[person] == kind)) for kind in "abcd"}
        assert told == {"known": "1", "even": str(person % 2)} | kinds
    shutil.rmtree(tmp_path / "people")  # what follows needs the target alone
    changes = {"settings": SMALL | {"frames": 2}, "tracks": 2, "schedule.steps": 1, "schedule.milestones": []}
    options = [part for key, value in changes.items() for part in ("--set", f"{key}={toml(value)}")]
    config_and_data = ["--config", str(tmp_path / "run" / "attributes.toml"), "--data", f"csv={tmp_path / 'run'}"]
    out = tmp_path / "trained"
    assert ended("train", "system", *config_and_data, *options, "--stem-weights", str(trunk), "--out", str(out)) == 0
    config = json.loads((out / "config.json").read_text())["config"]
    assert config["attributes"] == {"first": ["known", "even"], "second": ["kind=a", "kind=b", "kind=c", "kind=d"]}
    origin = load_weights(out / "weights.safetensors").origin
    assert origin.training_data == "csv, market1501; attributes learnt from csv; stem begun from trunk"
    assert "research only" in origin.licence


@pytest.mark.parametrize("name", ["walkers-to-mars", "walkers-to-market"])
def test_what_comes_with_the_product_can_be_used(name: str) -> None:
    config = checked(TransferRun, read_config(name, folder=FOLDER), name)
    assert read_config(config.prepares, folder="configs/systems")["system"] == "attributes"
    assert (resources.files("model") / FOLDER / f"{name}.toml").is_file()


LEAST = {
    "labelled": {"data": "csv", "share": 2},
    "target": {"data": "mars", "share": 2},
    "attributes": {"all": ["hat"]},
    "schedule": {"steps": 1, "average": 0.0},
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"target": {"data": "csv", "share": 2}}, "both are csv"),
        ({"schedule": {"steps": 1}}, "set schedule.average to 0"),
        ({"settings": {"attributes": 3}}, "settings has attributes, and there are alpha"),
        ({"schedule": {"steps": 1, "average": 0.0, "sharded": True}}, "leave schedule.sharded out"),
        ({"settings": {"alpha": 0.0}}, "mine cannot be used: the network cannot be built: alpha is above 0"),
        ({"attributes": {}}, "at least 1 item"),
        ({"attributes": {"all": []}}, "at least 1 item"),
    ],
)
def test_what_cannot_be_run_is_told(changes: dict[str, object], said: str) -> None:
    with pytest.raises(BadConfig, match=said):
        checked(TransferRun, LEAST | changes, "mine")


@pytest.mark.parametrize("text", ["plain", 'a "quoted" \\ word', "\x7f", "\U0001f600 \u00e9", "tab\tand\nline"])
def test_names_are_written_as_toml_reads_them(text: str) -> None:
    assert tomllib.loads(f"{_text(text)} = [{_text(text)}]") == {text: [text]}


def test_labelled_pictures_without_the_column_are_told(
    tmp_path: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_people(tmp_path / "people")
    assert run(tmp_path, target, steps=1) == 2
    assert "learnt from the column 'known'" in capsys.readouterr().err


def test_what_could_not_be_prepared_or_would_be_lost_is_told_before_training(
    tmp_path: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_people(tmp_path / "people", COLUMNS)
    for prepares, said in (("nosuch", "no configuration 'nosuch'"), ("cosam", "cosam learns no attributes")):
        assert run(tmp_path, target, "--set", f'prepares="{prepares}"', steps=1) == 2
        assert said in capsys.readouterr().err
    manifest = tmp_path / "people" / "manifest.csv"
    before = manifest.read_text()
    assert run(tmp_path, target, "--out", str(tmp_path / "people"), steps=1) == 2
    assert "is there already and would be replaced" in capsys.readouterr().err and manifest.read_text() == before


def test_a_target_of_nobody_is_told(
    tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_people(tmp_path / "people", COLUMNS)
    nobody = Dataset("market1501", (), (), ())
    monkeypatch.setitem(build.LOADERS, "market1501", lambda root: nobody)
    assert run(tmp_path, target, steps=1) == 2
    assert "market1501 has no person to train on" in capsys.readouterr().err
