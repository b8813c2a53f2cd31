"""One query and its answer on a terminal."""

from collections.abc import Sequence

from pydantic import TypeAdapter
from rich.console import Console
from rich.table import Table

from service.client import Hit, QueryResult, VillsClient
from service.client.options import QueryOptions
from service.commands.failures import UserError
from service.commands.media_files import MediaFile

TABLE_COLUMNS = 140


def ask(client: VillsClient, files: Sequence[MediaFile], options: QueryOptions) -> QueryResult:
    """Ask with files of one person.

    Raises:
        UserError: pictures and clips are mixed.
        VillsError: the service refuses.
    """
    paths = [file.path for file in files]
    if {file.kind for file in files} == {"image"}:
        return client.query_image(paths, **options)
    if {file.kind for file in files} == {"video"}:
        return client.query_video(paths, **options)
    raise UserError(
        f"one query takes pictures or clips, not both, and {len(files)} files of both were named: ask twice"
    )


def as_json(answer: QueryResult) -> str:
    """The answer as the service gave it."""
    return TypeAdapter(QueryResult).dump_json(answer, indent=2).decode()


def as_table(answer: QueryResult) -> str:
    """One line a hit, best first, and below it what was asked and how long it took."""
    table = Table("rank", "score", "camera", "when", "track", box=None, pad_edge=False)
    for rank, hit in enumerate(answer.hits, 1):
        table.add_row(str(rank), f"{hit.score:.3f}", hit.camera_id or "-", when(hit), hit.track_id)
    console = Console(width=TABLE_COLUMNS)
    with console.capture() as capture:
        console.print(table)
    partial = " (partial: not all of the gallery could be searched)" if answer.partial else ""
    total = answer.timings_ms.get("total", 0.0)
    return (
        f"{capture.get()}{len(answer.hits)} hits in {total:.0f} ms at gallery version {answer.gallery_version}{partial}"
    )


def when(hit: Hit) -> str:
    """The hit's time span: times of day where the item has them, else seconds into its media."""
    if hit.start is not None and hit.end is not None:
        return f"{hit.start:%Y-%m-%d %H:%M:%S} - {hit.end:%H:%M:%S}"
    if hit.offset_start_s is not None and hit.offset_end_s is not None:
        return f"{hit.offset_start_s:.1f} s - {hit.offset_end_s:.1f} s"
    return "-"
