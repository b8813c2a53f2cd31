"""The figures of training runs, read out of their `metrics.jsonl`."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.pictures.errors import NothingToDraw

METRICS = "metrics.jsonl"
STEP = "step"

Points = list[tuple[float, float]]  # (step, value), in the order of steps


@dataclass(frozen=True, slots=True)
class Run:
    """One run: every numeric series of its lines, by name, in order of appearance."""

    name: str
    series: dict[str, Points]


def read_run(path: Path) -> Run:
    """Read a run's folder, or its file: one JSON object a line with `step` and any numbers; the rest is passed over.

    A last line cut short, of a run that writes or was killed, is left out. Where a step stands twice, the later counts.

    Raises:
        NothingToDraw: no such file, a line that is no object with a step, or no series at all.
    """
    file = path / METRICS if path.is_dir() else path
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise NothingToDraw(
            f"the figures {file} cannot be read ({error}): name the folder of a run, or its file"
        ) from error
    found: dict[str, dict[float, float]] = {}
    for number, line in enumerate(lines, 1):
        values = _values(file, number, line, is_last=number == len(lines))
        for name, value in values.items():
            if name != STEP and _is_number(value):
                found.setdefault(name, {})[float(values[STEP])] = float(value)
    if not found:
        raise NothingToDraw(f"the figures {file} hold no numbers yet: wait for the first line")
    name = file.parent.resolve().name if file.name == METRICS else file.stem
    return Run(name, {series: sorted(points.items()) for series, points in found.items()})


def _values(file: Path, number: int, line: str, *, is_last: bool) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except json.JSONDecodeError as error:
        if is_last or not line.strip():
            return {}
        raise NothingToDraw(f"line {number} of {file} is no JSON ({error}): mend or delete it") from error
    if not isinstance(values, dict) or not _is_number(values.get(STEP)):
        raise NothingToDraw(f"line {number} of {file} must be an object with a number `{STEP}`: mend or delete it")
    return values


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def names_of(runs: Sequence[Run], wanted: Sequence[str] = ()) -> list[str]:
    """Names of series in any of the runs: those wanted, in that order, or all of them.

    Raises:
        NothingToDraw: no run has a series of that name.
    """
    known = list(dict.fromkeys(name for run in runs for name in run.series))
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise NothingToDraw(f"no run has the series {', '.join(unknown)}: there are {', '.join(known)}")
    return list(wanted) or known
