"""Tiny runs of published systems, by the command."""

from pathlib import Path

import pytest

from service.commands.main import main
from tests.systems.tiny import TINY, toml


def config(name: str, **changes: object) -> str:
    """A tiny run of a system, as TOML: JSON's values are TOML's, too."""
    settings = ", ".join(f"{key} = {toml(value)}" for key, value in TINY[name].items() if key != "groups")
    values = {"steps": 2, "warmup": 1, "average": 0.0, "milestones": [0.5], "optimiser": "adam"} | changes
    schedule = ", ".join(f"{key} = {toml(value)}" for key, value in values.items())
    return (
        f'system = "{name}"\nsources = [{{ data = "csv", share = 2 }}]\ntracks = 2\n'
        f"settings = {{ {settings} }}\nschedule = {{ {schedule} }}\n"
    )


def train(folder: Path, people: Path, text: str, *more: str, out: str = "run") -> int:
    (folder / f"{out}.toml").write_text(text)
    options = ["--config", str(folder / f"{out}.toml"), "--data", f"csv={people}", "--out", str(folder / out)]
    with pytest.raises(SystemExit) as ended:
        main(["train", "system", *options, "--cache", str(people.parent / "cache"), *more])
    return int(ended.value.code or 0)
