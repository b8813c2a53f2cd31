"""A VILLS network as one ONNX file with its description beside it: served by ONNX Runtime, without torch."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from model.errors import ExportFailed
from model.onnx_feed import Feed, feed_text
from model.vills.exportable import ExportableVills, folded
from model.vills.network import Vills
from model.weights import Origin

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 20  # the first in which GELU is one operation
INPUTS, OUTPUT = ("clips", "mask"), "embeddings"


def export_onnx(network: Vills, origin: Origin, out: Path, *, int8: bool = False) -> None:
    """Write `out`, an ONNX network, and its description, the same name with `.toml`. Each whole or not at all.

    Inputs: `clips`, float32 (B, T, 3, H, W), RGB 0-255, and `mask`, bool (B, T), True where a frame is real; any B and
    T from 1 up. Output: `embeddings`, float32 (B, D), unit length. The network is set to inference and its stem folded.

    With `int8`, the matrices that tokens are multiplied with are whole numbers of 8 bits, one scale a column, and so
    are the tokens, scaled as they come, a batch at a time: what else is in the batch then moves an embedding by about
    a thousandth. What is multiplied once a picture or a clip stays float32: 8 bits of the descriptor and of the fusion
    cost the weights that come with the product more (a cosine of 0.994 with their own embeddings instead of 0.99999)
    than they save. Convolutions stay float32, too: with scales from a hundred sample pictures they took it to 0.95.

    Raises:
        ExportFailed: `out` does not end with .onnx, its folder is not there or not to be written to, or the packages
            for it are missing.
    """
    if out.suffix != ".onnx" or not out.parent.is_dir() or out.is_dir():
        raise ExportFailed(f"{out} must be a file.onnx in a folder that is there: name another")
    graph = _graph(network, origin)
    if int8:
        graph = _quantised(graph)
    try:
        _write(out, graph.SerializeToString(), feed_text(feed_of(network, origin)))
    except OSError as error:
        raise ExportFailed(f"{out} cannot be written ({error}): name another folder, on a disk with room") from error


def _write(out: Path, graph: bytes, fed: str) -> None:
    beside = out.with_name(out.name + ".part")
    beside.write_bytes(graph)
    description = out.with_suffix(".toml")
    description.unlink(missing_ok=True)  # the old one must not be found beside the new network
    beside.replace(out)
    beside.write_text(fed)
    beside.replace(description)


def feed_of(network: Vills, origin: Origin) -> Feed:
    """How to feed the exported network; what is known of it comes along."""
    config = network.config
    return Feed(
        layout="NTCHW",
        channels="RGB",
        height=config.height,
        width=config.width,
        scale=1.0,
        mean=(0.0, 0.0, 0.0),  # the graph itself subtracts and divides
        std=(1.0, 1.0, 1.0),
        dimension=config.dimension,
        licence=origin.licence,
        training_data=origin.training_data,
        calibration=origin.calibration,
        frames=config.frames,
        max_clips=config.max_clips,
        trained=origin.trained,
    )


def _graph(network: Vills, origin: Origin) -> "ModelProto":
    _need_packages()
    config = network.config
    # Lengths of 0 and 1 would be taken for constants of the network.
    clips = torch.zeros(2, 3, 3, config.height, config.width)
    axes = {0: "batch", 1: "frames"}
    program = torch.onnx.export(
        ExportableVills(folded(network)).eval(),
        (clips, torch.ones(clips.shape[:2], dtype=torch.bool)),
        dynamo=True,
        opset_version=OPSET,
        input_names=list(INPUTS),
        output_names=[OUTPUT],
        dynamic_shapes=dict.fromkeys(INPUTS, axes),
        verbose=False,
    )
    assert program is not None
    graph: ModelProto = program.model_proto
    _forget_how(graph)
    for key, value in (
        ("config", config.to_json()),
        ("licence", origin.licence),
        ("training_data", origin.training_data),
    ):
        graph.metadata_props.add(key=key, value=value)
    return graph


def _quantised(graph: "ModelProto") -> "ModelProto":
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory(prefix="vills-export-") as folder:
        whole, small = Path(folder) / "whole.onnx", Path(folder) / "small.onnx"
        quant_pre_process(graph, whole, skip_optimization=True, skip_symbolic_shape=True)
        # Layers of one row a picture are Gemm, those of tokens MatMul. The quantiser makes MatMul of Gemm, so named.
        once = [f"{node.name}_MatMul" for node in onnx.load(whole).graph.node if node.op_type == "Gemm"]
        quantize_dynamic(
            whole,
            small,
            op_types_to_quantize=["MatMul"],
            nodes_to_exclude=once,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,  # 7 bits: processors without VNNI add products in 16 bits, which 8 would overflow
        )
        return onnx.load(small)


def _need_packages() -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ExportFailed(f"exporting needs the package {error.name}: pip install 'vills-retrieval[train]'") from error


def _forget_how(model: "ModelProto") -> None:
    """Drop the exporter's notes: on every operation the lines of source it came from, more bytes than the graph."""
    graph = model.graph
    holders: list[Any] = [model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer]
    for holder in holders:
        del holder.metadata_props[:]
    del graph.value_info[:]
