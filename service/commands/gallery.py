"""`vills add` and `vills query`: a running service, over HTTP."""

from typing import Annotated, Literal

import typer

from service.commands.media_files import find_media
from service.commands.options import Paths, Tags, read_tags, read_time
from service.commands.progress import progress
from service.commands.service_address import KeyFile, Url, connect

Camera = Annotated[str | None, typer.Option(help="Id of the camera that took them.")]
CapturedAt = Annotated[str | None, typer.Option(help="When the first frame was taken: 2026-05-04T10:30:00Z.")]
Wait = Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Wait until all are searchable, at most so long.")]
K = Annotated[int, typer.Option("-k", "--k", min=1, help="How many hits.")]
Target = Annotated[Literal["videos", "images", "all"], typer.Option(help="Kind of tracks to look for.")]
Cameras = Annotated[list[str] | None, typer.Option("--camera", help="Only these cameras; may be given several times.")]
From = Annotated[str | None, typer.Option("--from", help="Only what was seen at or after this time.")]
To = Annotated[str | None, typer.Option("--to", help="Only what was seen before this time.")]
MinScore = Annotated[
    float | None,
    typer.Option(
        min=-1, max=1, help="Nothing below this score; -1 shows all. By default the encoder's calibrated threshold."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the whole answer as JSON.")]


def add(
    paths: Paths,
    camera: Camera = None,
    captured_at: CapturedAt = None,
    tag: Tags = None,
    wait: Wait = 0.0,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Put clips and pictures of one person each into the gallery. Exit code 1: some were refused, or are damaged."""
    from service.client.options import UploadOptions
    from service.commands.adding import add_files

    about = UploadOptions(camera_id=camera, captured_at=read_time(captured_at), tags=read_tags(tag))
    found = find_media(paths)
    steps = len(found.files) * (2 if wait else 1)
    with connect(url, key_file) as client, progress("adding", steps) as advance:
        outcome = add_files(client, found.files, about, wait_s=wait, step=advance)
    for path, why in outcome.refused:
        typer.echo(f"vills: {path}: {why}", err=True)
    found.tell()
    searchable = f"{outcome.searchable} of them searchable" if wait else "searchable soon"
    typer.echo(f"{outcome.accepted} accepted, {searchable}, {len(outcome.refused)} refused")
    raise typer.Exit(1 if outcome.refused else found.exit_code)


def query(
    paths: Paths,
    k: K = 10,
    target: Target = "all",
    camera: Cameras = None,
    from_: From = None,
    to: To = None,
    tag: Tags = None,
    min_score: MinScore = None,
    json: Json = False,
    url: Url = None,
    key_file: KeyFile = None,
) -> None:
    """Ask with pictures, or clips, of one person: prints what looks most similar. Exit code 1: some are damaged."""
    from service.client.options import QueryOptions
    from service.commands.asking import as_json, as_table, ask

    options = QueryOptions(
        k=k,
        target=target,
        camera_ids=camera or (),
        from_=read_time(from_),
        to=read_time(to),
        tags=read_tags(tag),
        min_score=min_score,
    )
    found = find_media(paths)
    found.tell()
    with connect(url, key_file) as client:
        answer = ask(client, found.files, options)
    typer.echo(as_json(answer) if json else as_table(answer))
    if not answer.hits and min_score is None and not json:
        typer.echo("nothing is likely enough; --min-score -1 shows unlikely hits, too")
    raise typer.Exit(found.exit_code)
