"""`vills demo`: a service of its own, sample people, questions both ways, a contact sheet."""

from pathlib import Path
from typing import Annotated

import typer

from service.commands.failures import settings_with

Samples = Annotated[Path | None, typer.Option(help="Folder of one's own clips; without it, people are drawn.")]
Out = Annotated[Path, typer.Option(help="Folder for the contact sheet and the service's log.")]


def demo(samples: Samples = None, out: Out = Path("demo-out")) -> None:
    """Start the service in a temporary folder, ask it across cameras, and stop it again."""
    from service.demo.run import run

    raise typer.Exit(run(settings_with(), samples=samples, out=out))
