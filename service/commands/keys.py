"""`vills keys`: API keys, straight in the store."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from service.commands.failures import UserError, settings_with

if TYPE_CHECKING:
    from index.records.api_keys import ApiKeys

app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)
Answer = TypeVar("Answer")
Name = Annotated[str, typer.Argument(help="Whom or what the key is for.")]
Scopes = Annotated[
    list[str], typer.Option("--scope", help="query, ingest, erase or admin (all); may be given several times.")
]
KeyId = Annotated[str, typer.Argument(help="Id of the key, as `vills keys list` shows it.")]


@app.command()
def create(name: Name, scope: Scopes) -> None:
    """Make a key and print it: it is shown this once and kept only as a hash."""
    from index.records.api_keys import SCOPES

    unknown = sorted(set(scope) - set(SCOPES))
    if unknown:
        raise UserError(
            f"the scopes are {', '.join(SCOPES)}, and {', '.join(unknown)} is none of them: name one of those"
        )
    _, token = _with_keys(lambda keys: keys.create(name, scope))
    typer.echo(token)


@app.command(name="list")
def list_() -> None:
    """List all keys."""
    for key in _with_keys(lambda keys: keys.all()):
        typer.echo(f"{key.id}  {key.name}  {','.join(sorted(key.scopes))}")


@app.command()
def revoke(key_id: KeyId) -> None:
    """Revoke a key: from now on it opens nothing."""
    if not _with_keys(lambda keys: keys.revoke(key_id)):
        raise UserError(f"only a key that is there can be revoked, and {key_id} is not: see `vills keys list`")
    typer.echo(f"{key_id} revoked")


def _with_keys(use: "Callable[[ApiKeys], Awaitable[Answer]]") -> Answer:
    from index.records.api_keys import ApiKeys
    from index.records.connection import connect
    from service.local.address import store_address

    async def run() -> Answer:
        redis = await connect(store_address(settings_with()))
        try:
            return await use(ApiKeys(redis))
        finally:
            await redis.aclose()

    return asyncio.run(run())
