"""`vills embed`: files to a matrix of embeddings, without a service."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.commands.failures import UserError, settings_with
from service.commands.media_files import Found, find_media
from service.commands.progress import progress

if TYPE_CHECKING:
    from model.encoder import Embeddings
    from service.local.embedding import Source
    from service.settings import Settings

Paths = Annotated[list[Path] | None, typer.Argument(metavar="PATH", help="Files or folders.")]
Out = Annotated[Path, typer.Option(help="The .npy file to write: float32, one row an input, in order.")]
Manifest = Annotated[
    Path | None, typer.Option(help="CSV with the columns path,person_id,camera_id[,track_id,frame]; a row is an input.")
]
Root = Annotated[Path, typer.Option(help="Folder the paths of the manifest start from.")]
Encoder = Annotated[
    str | None,
    typer.Option(
        help="vills-light (the default, trained), onnx:FILE, or vills-mobile, vills-tiny, vills-small, vills-base. "
        "[VILLS_ENCODER]"
    ),
]


def embed(
    out: Out,
    paths: Paths = None,
    manifest: Manifest = None,
    root: Root = Path(),
    encoder: Encoder = None,
) -> None:
    """Embed pictures and clips of one person each, without a service. Exit code 1: some of a folder are damaged."""
    from service.local.embedding import write_whole

    settings = settings_with(encoder=encoder)
    found = _found(paths or [], manifest)
    sources = _sources(found, manifest, root)
    if not out.parent.is_dir():
        raise UserError(f"the folder {out.parent} is not there: make it, or name another with --out")
    found.tell()
    rows = asyncio.run(_embed(settings, sources))
    write_whole(rows, out)
    typer.echo(f"{rows.shape[0]} x {rows.shape[1]} float32 written to {out}")
    raise typer.Exit(found.exit_code)


def _found(paths: Sequence[Path], manifest: Path | None) -> Found:
    if bool(paths) == (manifest is not None):
        raise UserError("embed takes files or a manifest, one of the two: name PATHs, or --manifest CSV --root DIR")
    return find_media(paths)


def _sources(found: Found, manifest: Path | None, root: Path) -> "list[Source]":
    from service.local.embedding import Source, read_manifest

    if manifest is not None:
        return read_manifest(manifest, root)
    return [Source(file.path, f"input {place}") for place, file in enumerate(found.files, 1)]


async def _embed(settings: "Settings", sources: "Sequence[Source]") -> "Embeddings":
    from service.decode.limits import decode_limits
    from service.decode.pool import DecoderPool
    from service.local.embedding import embed_files
    from service.worker.chosen_encoder import chosen_encoder

    pool = DecoderPool(decode_limits(settings), children=settings.decoders)
    await pool.start()
    try:
        encoder = chosen_encoder(settings)
        with progress("embedding", len(sources)) as step:
            return await embed_files(sources, encoder, pool, batch_items=settings.batch_items, step=step)
    finally:
        await pool.close()
