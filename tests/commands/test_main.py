"""The entry point: what it loads, what it prints, how it exits."""

import subprocess
import sys
from collections.abc import Callable
from importlib import resources
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.commands.main import app, main

HEAVY = ("torch", "faiss", "fastapi", "onnxruntime", "timm", "redis", "httpx", "pydantic", "numpy")


def test_help_lists_every_command_and_loads_nothing_heavy() -> None:
    script = (
        "import sys\nfrom service.commands.main import main\ntry:\n    main(['--help'])\nfinally:\n"
        f"    print('loaded:', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "loaded: []" in done.stdout
    for command in ("up", "api", "worker", "add", "query", "embed", "keys", "check", "demo"):
        assert f" {command} " in done.stdout


@pytest.mark.parametrize(
    "command", [["up"], ["add"], ["query"], ["embed"], ["keys", "create"], ["check", "api"], ["demo"]]
)
def test_every_command_explains_itself(command: list[str]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"])
    assert shown.exit_code == 0
    assert "Usage" in shown.output


def test_no_help_shows_what_only_a_program_reads_or_loses_a_default() -> None:
    """Bugs: `[default: <class 'list'>]`, and defaults in brackets, which were taken for markup and left out."""
    for command in (["compare"], ["train", "system"], ["pictures", "curves"]):
        assert "<class" not in CliRunner().invoke(app, [*command, "--help"]).output
    for name, default in (("evaluate", "Default: i2i"), ("calibrate", "Default: i2v and v2v")):
        assert default in " ".join(CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "300"}).output.split())


@pytest.mark.parametrize(
    ("command", "folder", "kind"),
    [
        ("finetune", "configs", lambda name: "pretrain" not in name),
        ("pretrain", "configs", lambda name: "pretrain" in name),
        ("system", "configs/systems", bool),
        ("transfer", "configs/transfer", bool),
    ],
)
def test_a_training_s_help_names_its_configurations(command: str, folder: str, kind: Callable[[str], bool]) -> None:
    shown = CliRunner().invoke(app, ["train", command, "--help"], env={"COLUMNS": "2000"}).output
    names = [
        file.name.removesuffix(".toml") for file in (resources.files("model") / folder).iterdir() if file.is_file()
    ]
    assert f"comes with the product: {', '.join(sorted(filter(kind, names)))}." in " ".join(shown.split())


def test_usage_says_once_that_an_argument_may_be_repeated() -> None:
    """Bug: `{STUDY...}...`."""
    for command, name in (("compare", "STUDY"), ("add", "PATH"), ("embed", "PATH")):
        shown = CliRunner().invoke(app, [command, "--help"]).output
        assert f"{name}" in shown and "...}" not in shown and "]...]" not in shown, command


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"vills {version('vills-retrieval')}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["query", "absent.jpg"], "vills: there is no file or folder absent.jpg"),
        (["embed", "--out", "x.npy"], "vills: embed takes files or a manifest"),
        (["embed", "--out", "x.npy", "--manifest", "absent.csv"], "vills: the manifest absent.csv cannot be read"),
        (["api"], "vills: an api by itself needs a store"),
        (["keys", "list"], "vills: this needs the store"),
        # Bug: a raw traceback, and exit code 1, with which a supervisor starts it again.
        (["up", "--data-dir", __file__], f"vills: the data folder {__file__} cannot be used"),
        (["keys", "create", "me", "--scope", "all"], "vills: the scopes are"),
    ],
)
def test_what_a_person_got_wrong_is_one_line_and_exit_code_2(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VILLS_DATA_DIR", str(tmp_path / "data"))
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    written = capsys.readouterr()
    assert written.err.startswith(message)
    assert written.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_service_that_is_not_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Port 9 (discard) is not listened on."""
    (tmp_path / "a.bmp").write_bytes(b"BM" + bytes(12) + (40).to_bytes(4, "little") + bytes(40))
    monkeypatch.setattr("service.client.connection.RECONNECTS", 0)
    with pytest.raises(SystemExit) as caught:
        main(["query", str(tmp_path / "a.bmp"), "--url", "http://127.0.0.1:9"])
    assert caught.value.code == 1
    assert "http://127.0.0.1:9 gave no answer" in capsys.readouterr().err
