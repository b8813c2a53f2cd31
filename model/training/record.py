"""What a run leaves behind beside its weights: its configuration, the code it was made with, and its figures."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

METRICS = "metrics.jsonl"
CONFIG = "config.json"


def write_provenance(folder: Path, config: str, step: int) -> None:
    """The resolved configuration, readable, beside the weights, and each version of the code that the run began or went
    on with, by the step it did so at: `step`, now."""
    folder.mkdir(parents=True, exist_ok=True)
    versions = [*(_versions(folder) if step else []), {"step": step, "version": code_version()}]
    text = json.dumps({"config": json.loads(config), "code": versions}, indent=2, sort_keys=True)
    _replace(folder / CONFIG, text + "\n")


def code_version() -> str:
    """The commit of this code, with `+changes` where files differ from it; `unknown` outside a checkout."""
    here = Path(__file__).parent
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True)
        changes = subprocess.run(["git", "status", "--porcelain"], cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.stdout.strip() + ("+changes" if changes.stdout.strip() else "")


def append_metrics(folder: Path, figures: Mapping[str, float]) -> None:
    """One line of JSON."""
    with (folder / METRICS).open("a") as file:
        file.write(json.dumps(dict(figures)) + "\n")


def forget_metrics_from(folder: Path, step: int) -> None:
    """Drop the lines of steps that a resumed run will do again."""
    path = folder / METRICS
    if not path.exists():
        return
    kept = [line for line in path.read_text().splitlines() if _step_of(line) < step]
    _replace(path, "".join(f"{line}\n" for line in kept))


def _versions(folder: Path) -> list[Any]:
    """What was written before; nothing where that is gone."""
    try:
        return list(json.loads((folder / CONFIG).read_text())["code"])
    except (OSError, ValueError, LookupError, TypeError):
        return []


def _replace(path: Path, text: str) -> None:
    """Whole or not at all: a run may be killed at any time."""
    beside = path.with_suffix(".part")
    beside.write_text(text)
    beside.replace(path)


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")  # half a line, of a run that was killed in the middle of it
