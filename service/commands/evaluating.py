"""`vills evaluate`: how well an encoder finds people in a public data set or one's own."""

import json
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from service.commands.failures import UserError, settings_with
from service.commands.progress import counted
from service.commands.weights import DEFAULT, Weights, encoder_with

if TYPE_CHECKING:
    from model.encoder import Encoder
    from model.evaluation.evaluate import Compared, Evaluation
    from model.evaluation.frames import Frames
    from model.evaluation.metrics import ApKind
    from model.evaluation.protocols import Protocol

Data = Annotated[str, typer.Option(metavar="NAME", help="market1501, cuhk01, ... or csv, a manifest of your own.")]
Root = Annotated[Path, typer.Option(metavar="DIR", help="Folder of the data set, as its authors distribute it.")]
ProtocolOption = Annotated[
    Literal["i2i", "i2v", "v2i", "v2v"], typer.Option(help="Kind of the query to kind of the gallery.")
]
Rerank = Annotated[bool, typer.Option("--rerank", help="Re-rank by k-reciprocal neighbours (k1 20, k2 6, 0.3).")]
Rescore = Annotated[
    int,
    typer.Option(min=0, metavar="N", help="Compare the first N candidates again, pair by pair (snippet alone can)."),
]
Ap = Annotated[
    Literal["precision", "trapezoid"], typer.Option(help="mAP by precision at hits, or by the trapezoid rule.")
]
FramesOption = Annotated[
    Literal["all", "single", "shuffled"],
    typer.Option(
        help="Of each track: all frames in order; a single one, at the best of T places; all in an order drawn by lot."
    ),
]
Pictures = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Draw ranked lists: queries spread over all, and the surest mistakes."),
]
JsonFile = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures as JSON.")]


def evaluate(
    data: Data,
    root: Root,
    protocol: ProtocolOption = "i2i",
    weights: Weights = DEFAULT,
    rerank: Rerank = False,
    ap: Ap = "precision",
    json_file: JsonFile = None,
    pictures: Pictures = None,
    frames: FramesOption = "all",
    rescore: Rescore = 0,
) -> None:
    """Rank-k, mAP, mINP, and the open-set error rates with the threshold they suggest."""
    from model.evaluation.evaluate import judge

    check_places(json_file, pictures)
    if rescore and (rerank or frames != "all"):
        raise UserError("--rescore ranks whole tracks in a way of its own: leave --rerank and --frames out")
    encoder, compared = compared_with(data, root, protocol, weights, rerank=rerank, frames=frames, rescore=rescore)
    kind: ApKind = "trapezoid" if ap == "trapezoid" else "precision at hits"
    result = judge(compared, data, protocol, encoder.card, ap=kind, frames=frames)
    _show(result)
    if json_file is not None:
        write_json(json_file, result.to_json())
    if pictures is not None:
        draw_into(pictures, compared, f"{data} {protocol}, {encoder.card.name}{_ways(result)}")


def check_places(json_file: Path | None, folder: Path | None = None) -> None:
    """Refuse, before any work, files that could not be written after it."""
    if json_file is not None and not json_file.parent.is_dir():
        raise UserError(f"the folder {json_file.parent} is not there: make it, or name another with --json")
    if json_file is not None and json_file.is_dir():
        raise UserError(f"{json_file} is a folder: name a file with --json")
    if json_file is not None:
        try:
            TemporaryFile(dir=json_file.parent).close()
        except OSError as error:
            raise UserError(_unwritable(json_file, error)) from error
    if folder is not None and folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is no folder: name another one for the pictures")


def write_json(file: Path, values: object) -> None:
    """What was found, readable; on a disk that does not take it any more, an error that says so."""
    try:
        file.write_text(json.dumps(values, indent=2) + "\n")
    except OSError as error:
        raise UserError(_unwritable(file, error)) from error


def _unwritable(file: Path, error: OSError) -> str:
    return f"{file} cannot be written ({error.strerror}): name another place with --json"


def compared_with(
    data: str,
    root: Path,
    protocol: "Protocol",
    weights: str,
    *,
    rerank: bool,
    frames: "Frames" = "all",
    rescore: int = 0,
) -> "tuple[Encoder, Compared]":
    """Queries and gallery of a data set, embedded while a bar shows how far it is. Of single frames, the best.

    rescore: how many candidates of each query are compared again, pair by pair.
    """
    from model.data.build import load_dataset
    from model.evaluation.evaluate import best, compare, pictures_to_read, rescorer_of
    from model.evaluation.evaluate import rescore as again
    from model.evaluation.frames import shown
    from model.evaluation.protocols import probe_of

    settings = settings_with()
    probe = probe_of(load_dataset(data, root), protocol)  # what cannot be is refused before an encoder is loaded
    encoder = encoder_with(weights, settings)
    if rescore:
        rescorer_of(encoder)
    sampling = encoder.card.sampling
    probes = shown(probe, frames, sampling.frames)
    with counted("embedding", pictures_to_read(probes, sampling)) as step:
        compared = compare(encoder, probes, reranked=rerank, batch_items=settings.batch_items, step=step)
    one = best(compared) if len(compared) > 1 else compared[0]
    if rescore:
        with counted("comparing pairs", len(probe.queries)) as step:
            one = again(one, encoder, rescore, step=step)
    return encoder, one


def draw_into(folder: Path, compared: "Compared", title: str, *, rows: int = 16, shown: int = 10) -> None:
    """Ranked lists into a folder, which is made where it is not there; says which files were written."""
    from model.pictures.sheets import draw_sheets

    folder.mkdir(parents=True, exist_ok=True)
    for path in draw_sheets(folder, compared, title, rows=rows, shown=shown):
        typer.echo(f"  {path}")


def _ways(result: "Evaluation") -> str:
    ways = ", re-ranked" if result.reranked else ""
    ways += f", the first {result.rescored} compared again" if result.rescored else ""
    return ways + {"all": "", "single": ", best single frame", "shuffled": ", frames shuffled"}[result.frames]


def _show(result: "Evaluation") -> None:
    scores = result.scores
    typer.echo(f"{result.data} {result.protocol}, {result.card.name}{_ways(result)}")
    typer.echo(f"  queries {scores.queries:,} ({scores.left_out:,} without a right answer), gallery {scores.gallery:,}")
    ranks = (f"rank-{k} {getattr(scores, f'rank{k}'):.1f}" for k in (1, 5, 10, 20))
    typer.echo(f"  {'  '.join(ranks)}  mAP {scores.map:.1f} ({scores.ap})  mINP {scores.minp:.1f}")
    found = result.open_set
    if found.calibration is not None:
        typer.echo(f"  confidence: midpoint {found.calibration[0]:.3f}, slope {found.calibration[1]:.2f}")
    named = [("at the midpoint", found.at_threshold), ("equal error", found.equal)]
    for name, point in [*named, *((f"FPIR <= {point.fpir:.1f}", point) for point in found.points)]:
        if point is not None:
            typer.echo(f"  {name}: threshold {point.threshold:.3f}  FPIR {point.fpir:.1f}  FNIR {point.fnir:.1f}")
