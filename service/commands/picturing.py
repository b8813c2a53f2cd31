"""`vills pictures ranked|maps|curves`: what an encoder finds, where it looks, and how its training went, as PNG."""

from pathlib import Path
from typing import Annotated

import typer

from service.commands.evaluating import Data, ProtocolOption, Rerank, Root, check_places, compared_with, draw_into
from service.commands.failures import UserError, settings_with
from service.commands.weights import DEFAULT, OwnWeights, Weights, network_with

app = typer.Typer(help="Draw what an encoder finds, where it looks, how its training went.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option(metavar="DIR", help="Folder for the pictures; it is made.")]
Png = Annotated[Path, typer.Option(metavar="FILE", help="The .png to write.")]
Crops = Annotated[list[Path], typer.Argument(metavar="PICTURE", help="Pictures of one person each, cut out.")]
Runs = Annotated[list[Path], typer.Argument(metavar="RUN", help="Folders of runs, or their metrics.jsonl.")]
Rows = Annotated[int, typer.Option(min=1, max=100, help="Queries on a sheet.")]
Shown = Annotated[int, typer.Option(min=1, max=50, help="Answers beside each query.")]
Series = Annotated[
    list[str],
    typer.Option(help="Draw only these, such as loss or lr; repeatable.", default_factory=list, show_default=False),
]


@app.command()
def ranked(
    data: Data,
    root: Root,
    out: Folder,
    protocol: ProtocolOption = "i2i",
    weights: Weights = DEFAULT,
    rerank: Rerank = False,
    rows: Rows = 16,
    shown: Shown = 10,
) -> None:
    """Queries and their first answers: spread over all queries, and the surest mistakes."""
    from model.data.build import load_dataset

    check_places(None, out)
    encoder, (compared,) = compared_with(load_dataset(data, root), [protocol], weights, rerank=rerank)
    title = f"{data} {protocol}, {encoder.card.name}{', re-ranked' if rerank else ''}"
    draw_into(out, compared, title, rows=rows, shown=shown)


@app.command()
def maps(pictures: Crops, out: Png, weights: OwnWeights = DEFAULT) -> None:
    """Attention of [CLS] and of each part query, over each picture."""
    import numpy as np

    from model.data.pack import read_picture
    from model.pictures.maps import attention_maps, draw_maps

    _check(out)
    network, _ = network_with(weights, settings_with())
    crops = np.stack([read_picture(path, network.config.height, network.config.width) for path in pictures])
    draw_maps(out, crops, attention_maps(network, crops), [path.name for path in pictures])
    typer.echo(f"{out}")


@app.command()
def curves(runs: Runs, out: Png, series: Series) -> None:
    """Every series of training runs, one panel each; several runs lie over each other."""
    from model.pictures.curves import draw_curves
    from model.pictures.figures import read_run

    _check(out)
    draw_curves(out, [read_run(path) for path in runs], series)
    typer.echo(f"{out}")


def _check(out: Path) -> None:
    if out.suffix.lower() != ".png" or not out.parent.is_dir() or out.is_dir():
        raise UserError(f"{out} must be a file.png in a folder that is there: name another with --out")
