"""What a benchmark says: medians with their spread, as JSON and as a table for people."""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured quantity: the median of at least five rounds, with the smallest and largest."""

    name: str
    unit: str
    median: float
    low: float
    high: float
    rounds: int
    target: str = ""
    met: bool | None = None


@dataclass(slots=True)
class Report:
    """All figures of one run and the machine they were measured on."""

    figures: list[Figure] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    def add(
        self, name: str, unit: str, values: Sequence[float], *, most: float | None = None, least: float | None = None
    ) -> Figure:
        """Record the median of `values`; `most` or `least` is the target it is held against."""
        median = statistics.median(values)
        target = f"<= {most:g}" if most is not None else f">= {least:g}" if least is not None else ""
        met = median <= most if most is not None else median >= least if least is not None else None
        figure = Figure(name, unit, median, min(values), max(values), len(values), target, met)
        self.figures.append(figure)
        return figure

    def write(self, path: Path) -> None:
        """Write machine, notes and figures as JSON."""
        content = {"machine": machine(), "notes": self.notes, "figures": [asdict(figure) for figure in self.figures]}
        path.write_text(json.dumps(content, indent=2) + "\n")

    def show(self, console: Console) -> None:
        """Print the table of figures."""
        table = Table("figure", "unit", "median", "low", "high", "target", "met")
        for figure in self.figures:
            met = "" if figure.met is None else "yes" if figure.met else "NO"
            values = (f"{value:.4g}" for value in (figure.median, figure.low, figure.high))
            table.add_row(figure.name, figure.unit, *values, figure.target, met)
        console.print(table)


def machine() -> dict[str, Any]:
    """The processor, as far as it can be told."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
    }
