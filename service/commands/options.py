"""Options of several commands, and how their text is read."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

Paths = Annotated[list[Path], typer.Argument(metavar="PATH", help="Files or folders.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="KEY=VALUE", help="May be given several times.")]


def read_tags(pairs: Sequence[str] | None) -> dict[str, str]:
    """`key=value` words as a dictionary."""
    tags = dict(pair.partition("=")[::2] for pair in pairs or ())
    for pair in pairs or ():
        if "=" not in pair or pair.startswith("="):
            raise typer.BadParameter(f"a tag is KEY=VALUE, and {pair!r} is not", param_hint="--tag")
    return tags


def read_time(text: str | None) -> datetime | None:
    """An RFC 3339 time with its offset from UTC."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise typer.BadParameter(f"a time is written as 2026-05-04T10:30:00Z or ...+02:00, and {text!r} is not")
    return moment
