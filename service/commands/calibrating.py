"""`vills calibrate`: what the scores of some weights mean, written into them."""

from pathlib import Path
from typing import Annotated

import typer

from service.commands.evaluating import Data, Root, named_protocols
from service.commands.failures import UserError, settings_with
from service.commands.progress import counted
from service.commands.weights import DEFAULT, encoder_with

Weights = Annotated[str, typer.Option(metavar="FILE", help="The safetensors file to write into, or onnx:FILE.")]
Protocols = Annotated[
    list[str] | None,
    typer.Option(
        "--protocol",
        metavar="i2i|i2v|v2i|v2v",
        help="What is asked; may be given several times. Default: i2v and v2v.",
    ),
]


def calibrate(weights: Weights, data: Data, root: Root, protocol: Protocols = None) -> None:
    """Measure which scores are likely right, and write it into the weights: confidence and min_score of the service.

    Take persons that were not trained on. Vectors and fingerprint stay the same; restart the workers to use it.
    """
    from model.data.build import load_dataset
    from model.evaluation.calibration import ASKED, asked_of
    from model.evaluation.calibration import calibrate as measure
    from model.evaluation.trained_on import persons_trained_on, warning_of
    from model.weights import write_calibration

    if weights == DEFAULT:
        raise UserError("--weights names the file to write into: give it, that of the product itself as well")
    settings = settings_with()
    protocols = named_protocols(protocol, ASKED)
    dataset = load_dataset(data, root)
    asked = asked_of(dataset, protocols)
    encoder = encoder_with(weights, settings)
    if trained_on := persons_trained_on(encoder.card, dataset, asked.probes):
        typer.echo(f"warning: {warning_of(trained_on, data)}", err=True)
    with counted("embedding", asked.pictures(encoder.card.sampling)) as step:
        found = measure(encoder, asked, batch_items=settings.batch_items, step=step)
    midpoint, slope = (round(number, 4) for number in found.calibration)
    typer.echo(f"a score of {midpoint} is as likely right as wrong (slope {slope})")
    typer.echo(f"{found.cost.fpir:.1f} % of strangers reach it, {found.cost.fnir:.1f} % of those who are there do not")
    if weights.startswith("onnx:"):
        typer.echo(f"put this line into the network's description:\n  calibration = [{midpoint}, {slope}]")
        return
    write_calibration(Path(weights), (midpoint, slope))
    typer.echo(f"written into {weights}")
