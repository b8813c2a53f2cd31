"""`vills evaluate`: how well an encoder finds people in a public data set or one's own."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from service.commands.failures import UserError, settings_with
from service.commands.progress import counted
from service.commands.weights import DEFAULT, Weights, encoder_with

if TYPE_CHECKING:
    from model.evaluation.evaluate import Evaluation

Data = Annotated[str, typer.Option(metavar="NAME", help="market1501, cuhk01, ... or csv, a manifest of your own.")]
Root = Annotated[Path, typer.Option(metavar="DIR", help="Folder of the data set, as its authors distribute it.")]
ProtocolOption = Annotated[
    Literal["i2i", "i2v", "v2i", "v2v"], typer.Option(help="Kind of the query to kind of the gallery.")
]
Rerank = Annotated[bool, typer.Option("--rerank", help="Re-rank by k-reciprocal neighbours (k1 20, k2 6, 0.3).")]
Ap = Annotated[
    Literal["precision", "trapezoid"], typer.Option(help="mAP by precision at hits, or by the trapezoid rule.")
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
) -> None:
    """Rank-k, mAP, mINP, and the open-set error rates with the threshold they suggest."""
    from model.data.build import load_dataset
    from model.evaluation.evaluate import evaluate as run
    from model.evaluation.evaluate import pictures_to_read
    from model.evaluation.protocols import probe_of

    if json_file is not None and not json_file.parent.is_dir():
        raise UserError(f"the folder {json_file.parent} is not there: make it, or name another with --json")
    settings = settings_with()
    dataset = load_dataset(data, root)
    probe = probe_of(dataset, protocol)  # a protocol that cannot be is refused before an encoder is loaded
    encoder = encoder_with(weights, settings)
    with counted("embedding", pictures_to_read(probe, encoder.card.sampling)) as step:
        result = run(
            encoder,
            dataset,
            protocol,
            reranked=rerank,
            ap="trapezoid" if ap == "trapezoid" else "precision at hits",
            batch_items=settings.batch_items,
            step=step,
        )
    if json_file is not None:
        json_file.write_text(json.dumps(result.to_json(), indent=2) + "\n")
    _show(result)


def _show(result: "Evaluation") -> None:
    scores = result.scores
    typer.echo(f"{result.data} {result.protocol}, {result.card.name}{', re-ranked' if result.reranked else ''}")
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
