"""`vills`: the one entry point of every process. Thin: each command calls the library.

Commands import what they need inside their bodies. That is the exception to the house's rule, and only here: one
program starts the api (which must never load torch or FAISS), the worker, and `--help`, which should load nothing.
"""

import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from service.commands import (
    benchmark,
    calibrating,
    checking,
    comparing,
    demonstration,
    embedding,
    evaluating,
    exporting,
    gallery,
    keys,
    picturing,
    serving,
    tracking,
    training,
    walkers,
)
from service.commands.failures import exit_code

app = typer.Typer(
    help="Find every track of a person in a gallery of clips and pictures.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(serving.up)
app.command()(serving.api)
app.command()(serving.worker)
app.command()(gallery.add)
app.command()(gallery.query)
app.command()(embedding.embed)
app.command()(evaluating.evaluate)
app.command()(calibrating.calibrate)
app.command()(comparing.compare)
app.command()(tracking.tracks)
app.command()(walkers.walkers)
app.command()(exporting.export)
app.add_typer(training.app, name="train")
app.add_typer(picturing.app, name="pictures")
app.add_typer(keys.app, name="keys")
app.add_typer(checking.app, name="check")
app.command()(demonstration.demo)
app.command()(benchmark.bench)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vills {version('vills-retrieval')}")
        raise typer.Exit


@app.callback()
def vills(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Find every track of a person in a gallery of clips and pictures."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 done, 1 it failed, 2 what was asked for is wrong (one line says rule and cure)."""
    try:
        app(args=arguments, prog_name="vills")
    except Exception as error:
        code = exit_code(error)
        if code is None:
            raise
        typer.echo(f"vills: {error}", err=True)
        sys.exit(code)


if __name__ == "__main__":
    main()
