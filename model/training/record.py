"""What a run leaves behind beside its weights: its configuration, the code it was made with, and its figures."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

METRICS = "metrics.jsonl"
CONFIG = "config.json"


def write_provenance(folder: Path, config: str) -> None:
    """The resolved configuration and the version of the code, readable, beside the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"config": json.loads(config), "code": code_version()}, indent=2, sort_keys=True)
    (folder / CONFIG).write_text(text + "\n")


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
    beside = path.with_suffix(".part")
    beside.write_text("".join(f"{line}\n" for line in kept))
    beside.replace(path)


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")  # half a line, of a run that was killed in the middle of it
