"""Which service a command talks to, and with which key."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.commands.failures import UserError, settings_with

if TYPE_CHECKING:
    from service.client import VillsClient

Url = Annotated[str | None, typer.Option(help="Address of the service; without it, the one of this machine.")]
BUSY_FOR_S = 600.0  # a full queue holds a long `vills add` back, but does not end it
KeyFile = Annotated[
    Path | None,
    typer.Option(help="File with the API key; without it, `admin.key` in the data folder where there is one."),
]


def connect(url: str | None, key_file: Path | None) -> "VillsClient":
    """A client of the service that was named, or of the one of this machine.

    Raises:
        UserError: the key file cannot be read.
    """
    from service.client import VillsClient
    from service.local.ports import reachable_url

    settings = settings_with()
    own_key = settings.data_dir / "admin.key"
    path: Path | None = key_file or own_key
    try:
        path = key_file or (own_key if url is None and own_key.exists() else None)
        key = path.read_text().strip() if path else None
    except OSError as error:
        raise UserError(
            f"the key file {path} cannot be read ({error.strerror}): name another with --key-file"
        ) from error
    return VillsClient(url or reachable_url(settings.host, settings.port), api_key=key, retry_for_s=BUSY_FOR_S)
