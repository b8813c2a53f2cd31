"""`vills up`, `vills api`, `vills worker`: the processes."""

from pathlib import Path
from typing import Annotated

import typer

from service.commands.failures import UserError, settings_with

DataDir = Annotated[Path | None, typer.Option(help="Folder of media, snapshots and the store. [VILLS_DATA_DIR]")]
Host = Annotated[str | None, typer.Option(help="Address the api listens on. [VILLS_HOST]")]
Port = Annotated[int | None, typer.Option(help="Port the api listens on; 0 takes a free one. [VILLS_PORT]")]
Encoder = Annotated[
    str | None,
    typer.Option(
        help="vills-light (the default, trained), onnx:FILE, vills-mobile, vills-tiny, vills-small, vills-base, or a "
        "published system: cosam, gltr, tkp and so on (docs/systems.md tells which come trained). [VILLS_ENCODER]"
    ),
]
NewSpace = Annotated[
    bool | None,
    typer.Option("--new-space", help="Open a new, empty gallery when the encoder is another. [VILLS_NEW_SPACE]"),
]


def up(
    data_dir: DataDir = None,
    host: Host = None,
    port: Port = None,
    encoder: Encoder = None,
    new_space: NewSpace = None,
) -> None:
    """Run the whole service on this machine until Ctrl-C: store, api and worker."""
    from service.local.up import run_until_stopped
    from service.logs import set_up_logging

    settings = settings_with(data_dir=data_dir, host=host, port=port, encoder=encoder, new_space=new_space)
    set_up_logging(settings.log_level, settings.log_format, process="up")
    run_until_stopped(settings, typer.echo)


def api(data_dir: DataDir = None, host: Host = None, port: Port = None) -> None:
    """Run one api process. It needs VILLS_REDIS_URL."""
    from service.api.run import run

    settings = settings_with(data_dir=data_dir, host=host, port=port)
    if settings.redis_url is None:
        raise UserError(
            "an api by itself needs a store: set VILLS_REDIS_URL, or start `vills up`, which brings its own"
        )
    run(settings)


def worker(data_dir: DataDir = None, encoder: Encoder = None, new_space: NewSpace = None) -> None:
    """Run one worker process. It needs VILLS_REDIS_URL. Exit code 3: the encoder is not the gallery's."""
    from service.worker.build import run

    raise typer.Exit(run(settings_with(data_dir=data_dir, encoder=encoder, new_space=new_space)))
