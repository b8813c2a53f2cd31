"""`vills evaluate`: how well an encoder finds people in a public data set or one's own."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from service.commands.failures import UserError, settings_with
from service.commands.progress import counted
from service.commands.weights import DEFAULT, Weights, encoder_with

if TYPE_CHECKING:
    from model.data.records import Dataset
    from model.encoder import Encoder
    from model.evaluation.evaluate import Clips, Compared, Evaluation
    from model.evaluation.frames import Frames
    from model.evaluation.metrics import ApKind
    from model.evaluation.protocols import Protocol

Data = Annotated[str, typer.Option(metavar="NAME", help="market1501, cuhk01, ... or csv, a manifest of your own.")]
Root = Annotated[Path, typer.Option(metavar="DIR", help="Folder of the data set, as its authors distribute it.")]
ProtocolOption = Annotated[
    Literal["i2i", "i2v", "v2i", "v2v"], typer.Option(help="Kind of the query to kind of the gallery.")
]
Protocols = Annotated[
    list[str] | None,
    typer.Option(
        "--protocol",
        metavar="i2i|i2v|v2i|v2v",
        help="Kind of the query to kind of the gallery; repeatable: every track is encoded once. Default: i2i.",
    ),
]
Split = Annotated[
    int | None,
    typer.Option(min=0, metavar="N", help="Which split of prid2011 or ilidsvid, 0 to 9. Default: the first."),
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
ClipsOption = Annotated[
    Literal["sampled", "whole"],
    typer.Option(help="Of a track: clips as the service cuts them; or all frames, as papers test (published systems)."),
]
WithoutQueries = Annotated[
    bool, typer.Option("--without-queries", help="Leave the queries out of a gallery that holds them (mars).")
]
Pictures = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Draw ranked lists: queries spread over all, and the surest mistakes."),
]
JsonFile = Annotated[
    Path | None,
    typer.Option("--json", metavar="FILE", help="Write all figures as JSON; of several protocols, by their names."),
]


def evaluate(
    data: Data,
    root: Root,
    protocol: Protocols = None,
    weights: Weights = DEFAULT,
    rerank: Rerank = False,
    ap: Ap = "precision",
    json_file: JsonFile = None,
    pictures: Pictures = None,
    frames: FramesOption = "all",
    rescore: Rescore = 0,
    split: Split = None,
    clips: ClipsOption = "sampled",
    without_queries: WithoutQueries = False,
) -> None:
    """Rank-k, mAP, mINP, and the open-set error rates with the threshold they suggest."""
    from model.data.build import load_dataset
    from model.evaluation.evaluate import judge
    from model.evaluation.protocols import others_alone
    from model.evaluation.trained_on import persons_trained_on

    protocols = named_protocols(protocol, ("i2i",))
    folders = _folders(pictures, protocols)
    for folder in [pictures, *folders]:
        check_places(json_file, folder)
    if rescore and (rerank or frames != "all"):
        raise UserError("--rescore ranks whole tracks in a way of its own: leave --rerank and --frames out")
    dataset = load_dataset(data, root, split)
    asked_of = others_alone(dataset) if without_queries else dataset
    encoder, compared = compared_with(
        asked_of, protocols, weights, rerank=rerank, frames=frames, rescore=rescore, clips=clips
    )
    trained = load_dataset(data, root) if split else dataset
    kind: ApKind = "trapezoid" if ap == "trapezoid" else "precision at hits"
    results = []
    for asked, one, folder in zip(protocols, compared, folders, strict=True):
        result = judge(one, data, asked, encoder.card, ap=kind, frames=frames)
        trained_on = persons_trained_on(encoder.card, trained, [one.probe])
        way = replace(result, clips=clips, without_queries=without_queries)
        results.append(replace(way, split=split, persons_trained_on=trained_on))
        _show(results[-1])
        if folder is not None:
            draw_into(folder, one, _title(results[-1]))
    if json_file is not None:
        figures = {result.protocol: result.to_json() for result in results}
        write_json(json_file, figures if len(results) > 1 else results[0].to_json())


def _folders(pictures: Path | None, protocols: "Sequence[Protocol]") -> list[Path | None]:
    """Where the pictures of each protocol go: into the folder itself; of several, into one of its name."""
    if pictures is None or len(protocols) == 1:
        return [pictures] * len(protocols)
    return [pictures / protocol for protocol in protocols]


def named_protocols(names: list[str] | None, default: "tuple[Protocol, ...]") -> "tuple[Protocol, ...]":
    """Those that `--protocol` names, each once and in one order. Raises UserError where one is none."""
    from model.evaluation.protocols import PROTOCOLS

    if names and not set(names) <= set(PROTOCOLS):
        raise UserError(f"--protocol is one of {', '.join(PROTOCOLS)}, and {', '.join(names)} was given")
    return tuple(each for each in PROTOCOLS if each in names) if names else default


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
    dataset: "Dataset",
    protocols: "Sequence[Protocol]",
    weights: str,
    *,
    rerank: bool,
    frames: "Frames" = "all",
    rescore: int = 0,
    clips: "Clips" = "sampled",
) -> "tuple[Encoder, list[Compared]]":
    """Queries and gallery of each protocol, embedded while a bar shows how far it is. Of single frames, the best.

    rescore: how many candidates of each query are compared again, pair by pair. clips: as the service cuts them, or
    each track whole.
    """
    from model.evaluation.evaluate import best, compare, pictures_to_read, rescorer_of
    from model.evaluation.evaluate import rescore as again
    from model.evaluation.frames import shown
    from model.evaluation.protocols import probe_of

    settings = settings_with()
    asked = [probe_of(dataset, protocol) for protocol in protocols]  # what cannot be is refused before an encoder loads
    encoder = encoder_with(weights, settings)
    if rescore:
        rescorer_of(encoder)
    if clips == "whole":
        from model.evaluation.whole import show_whole

        show_whole(encoder)
    sampling = encoder.card.sampling
    ways = [shown(probe, frames, sampling.frames) for probe in asked]
    probes = [probe for each in ways for probe in each]
    with counted("embedding", pictures_to_read(probes, sampling)) as step:
        every = iter(compare(encoder, probes, reranked=rerank, batch_items=settings.batch_items, step=step))
    compared = [best([next(every) for _ in each]) for each in ways]
    if rescore:
        with counted("comparing pairs", sum(len(probe.queries) for probe in asked)) as step:
            compared = [again(one, encoder, rescore, step=step) for one in compared]
    return encoder, compared


def draw_into(folder: Path, compared: "Compared", title: str, *, rows: int = 16, shown: int = 10) -> None:
    """Ranked lists into a folder, which is made where it is not there; says which files were written."""
    from model.pictures.sheets import draw_sheets

    folder.mkdir(parents=True, exist_ok=True)
    for path in draw_sheets(folder, compared, title, rows=rows, shown=shown):
        typer.echo(f"  {path}")


def _title(result: "Evaluation") -> str:
    split = "" if result.split is None else f" split {result.split}"
    return f"{result.data}{split} {result.protocol}, {result.card.name}{_ways(result)}"


def _ways(result: "Evaluation") -> str:
    ways = ", re-ranked" if result.reranked else ""
    ways += f", the first {result.rescored} compared again" if result.rescored else ""
    ways += ", whole tracks" if result.clips == "whole" else ""
    ways += ", gallery without queries" if result.without_queries else ""
    return ways + {"all": "", "single": ", best single frame", "shuffled": ", frames shuffled"}[result.frames]


def _show(result: "Evaluation") -> None:
    from model.evaluation.trained_on import warning_of

    scores = result.scores
    typer.echo(_title(result))
    if result.persons_trained_on:
        typer.echo(f"  warning: {warning_of(result.persons_trained_on, result.data)}")
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
