"""`vills export`: a VILLS network as one ONNX file, to be served without torch."""

from pathlib import Path
from typing import Annotated

import typer

from service.commands.failures import settings_with
from service.commands.weights import DEFAULT, OwnWeights, network_with

Out = Annotated[Path, typer.Option(metavar="FILE", help="The .onnx to write; its description is written beside it.")]
Int8 = Annotated[
    bool,
    typer.Option("--int8", help="Matrices of 8 bits: smaller and a fifth to a third faster on a CPU, all but equal."),
]


def export(out: Out, weights: OwnWeights = DEFAULT, int8: Int8 = False) -> None:
    """Write an ONNX network that VILLS_ENCODER=onnx:FILE serves; it takes any number of clips and frames."""
    from model.export import export_onnx

    network, origin = network_with(weights, settings_with())
    export_onnx(network, origin, out, int8=int8)
    if not origin.trained:
        typer.echo("the network is not trained: what it finds alike is alike by chance", err=True)
    typer.echo(f"{network.config.name} written to {out} and {out.with_suffix('.toml')}; serve it with")
    typer.echo(f"  VILLS_ENCODER=onnx:{out} vills up")
