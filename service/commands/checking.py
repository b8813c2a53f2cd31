"""`vills check`: health of one process by exit code, for containers. 0: well, 1: not, with one line why."""

import asyncio
from typing import Annotated

import typer

from service.commands.failures import settings_with

app = typer.Typer(help="Check one process; exit code 0 when it is well, 1 when not.", no_args_is_help=True)
Ready = Annotated[bool, typer.Option("--ready", help="Also ask whether it answers queries now.")]


@app.command()
def api(ready: Ready = False) -> None:
    """The api on this machine answers."""
    from service.local.health import check_api

    _tell(check_api(settings_with(), ready=ready))


@app.command()
def worker() -> None:
    """A worker of this machine has reported a moment ago that it is ready."""
    from service.local.health import check_worker

    _tell(asyncio.run(check_worker(settings_with())))


@app.command()
def redis() -> None:
    """The store answers, and what it acknowledges is on disk."""
    from service.local.health import check_store

    _tell(asyncio.run(check_store(settings_with())))


def _tell(trouble: str | None) -> None:
    typer.echo(trouble or "well", err=trouble is not None)
    raise typer.Exit(0 if trouble is None else 1)
