"""Fills an OSNet stem from a published network in ONNX: the graph is read, so names do not matter."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from model.layers.osnet_stem import STREAMS, Entry, Head, LightConv, OmniScaleBlock, OsnetStem, Transition
from model.layers.resampling import resampled_weights

CONVS_OF_BLOCK = 2 * sum(range(1, STREAMS + 1)) + 2 * STREAMS + 2  # of the streams, of their gates, reduce and expand


class Conv:
    """One convolution of the graph: where it reads, and its tensors."""

    def __init__(self, node: Any, tensors: dict[str, Tensor]) -> None:
        self.source: str = node.input[0]
        self.weight = tensors[node.input[1]]
        self.bias = tensors[node.input[2]] if len(node.input) > 2 else None

    def fill(self, conv: nn.Conv2d) -> None:
        """Raises ValueError where shapes differ or a bias is missing or over."""
        if conv.weight.shape != self.weight.shape or (conv.bias is None) != (self.bias is None):
            raise ValueError(f"a convolution of {tuple(self.weight.shape)} stands where {conv} is needed")
        conv.weight.copy_(self.weight)
        if conv.bias is not None and self.bias is not None:
            conv.bias.copy_(self.bias)


@torch.no_grad()
def load_onnx(stem: OsnetStem, path: Path) -> None:
    """Fill the stem from an OSNet x0.25 whose batch norms are folded, as OpenVINO's are.

    Raises:
        OSError: no such file.
        ValueError: no ONNX, or of another network.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        graph = onnx.load(path).graph
    except DecodeError as error:
        raise ValueError(f"it is no ONNX file ({error})") from error
    tensors = {each.name: torch.from_numpy(onnx.numpy_helper.to_array(each).copy()) for each in graph.initializer}
    try:
        _fill(stem, list(graph.node), tensors)
    except (StopIteration, IndexError, KeyError) as error:
        raise ValueError("it is no OSNet x0.25 with folded batch norms") from error


def _fill(stem: OsnetStem, nodes: list[Any], tensors: dict[str, Tensor]) -> None:
    convs = iter([Conv(node, tensors) for node in nodes if node.op_type == "Conv"])
    for block in stem.blocks:
        if isinstance(block, OmniScaleBlock):
            _fill_block(block, convs)
        elif isinstance(block, Transition):
            next(convs).fill(block.conv)
        elif isinstance(block, Entry):
            next(convs).fill(block.conv)
            _fill_norms(block, nodes, tensors)
    assert isinstance(stem.head, Head)
    _fill_head(stem.head, convs, nodes, tensors)


def _fill_head(head: Head, convs: Iterator[Conv], nodes: list[Any], tensors: dict[str, Tensor]) -> None:
    """Its last linear map has a scale and a shift behind it, which are folded in."""
    next(convs).fill(head.conv)
    places = next(convs)
    if places.bias is None or len(places.weight) != len(head.places):
        raise ValueError("its head does not weigh places channel by channel")
    head.places.copy_(resampled_weights(places.weight[:, 0], head.places.shape[1:]))
    head.shift.copy_(places.bias)
    last = next(number for number, node in enumerate(nodes) if node.op_type == "Gemm")
    weight, bias = (tensors[name] for name in nodes[last].input[1:])
    operands = [[tensors[name] for name in node.input if name in tensors] for node in nodes[last + 1 :]]
    scale, shift, negated_slope = (
        found[0].flatten()
        for node, found in zip(nodes[last + 1 :], operands, strict=True)
        if found and node.op_type in ("Mul", "Add")
    )
    head.out.weight.copy_(weight * scale[:, None])
    head.out.bias.copy_(bias * scale + shift)
    head.slope.weight.copy_(-negated_slope)


def _fill_norms(entry: Entry, nodes: list[Any], tensors: dict[str, Tensor]) -> None:
    """The first scale and shift of the graph belong to ImageNet's mean and deviation, which the network knows."""
    for operation, kind in (("Mul", "weight"), ("Add", "bias")):
        found = [
            tensors[node.input[1]].flatten() for node in nodes if node.op_type == operation and node.input[1] in tensors
        ]
        vectors = [tensor for tensor in found if tensor.numel() > 1]
        for norm, vector in zip((entry.pixels, entry.norm), vectors[1:], strict=False):
            getattr(norm, kind).copy_(vector)


def _fill_block(block: OmniScaleBlock, convs: Iterator[Conv]) -> None:
    has_shortcut = isinstance(block.shortcut, nn.Conv2d)
    found = [next(convs) for _ in range(CONVS_OF_BLOCK + has_shortcut)]
    light = [conv for conv in found if conv.bias is None or conv.weight.shape[-1] == 3]
    hidden = block.gate.squeeze.out_channels
    gates = [conv for conv in found if conv not in light and hidden in conv.weight.shape[:2]]
    outer = [conv for conv in found if conv not in light and conv not in gates]
    _fill_outer(block, outer)
    gates[0].fill(block.gate.squeeze)
    gates[1].fill(block.gate.excite)
    for stream in _streams(light):
        layers = [layer for layer in block.streams[len(stream) // 2 - 1].modules() if isinstance(layer, LightConv)]
        for layer, point, depth in zip(layers, stream[::2], stream[1::2], strict=True):
            point.fill(layer.point)
            depth.fill(layer.depth)


def _fill_outer(block: OmniScaleBlock, outer: list[Conv]) -> None:
    """Reduce, expand and shortcut, in any order: the shortcut reads what reduce reads."""
    if isinstance(block.shortcut, nn.Conv2d):
        sources = [conv.source for conv in outer]
        expand = next(conv for conv in outer if sources.count(conv.source) == 1)
        wide = block.shortcut.weight.shape
        shortcut = next(conv for conv in outer if conv is not expand and conv.weight.shape == wide)
        reduce = next(conv for conv in outer if conv not in (expand, shortcut))
        shortcut.fill(block.shortcut)
    else:
        reduce, expand = outer
    reduce.fill(block.reduce)
    expand.fill(block.expand)


def _streams(light: list[Conv]) -> list[list[Conv]]:
    """Split at each convolution that reads what reduce gave: a stream begins there."""
    starts: list[list[Conv]] = []
    for conv in light:
        if not starts or conv.source == light[0].source:
            starts.append([])
        starts[-1].append(conv)
    return starts
