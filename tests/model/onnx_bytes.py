"""A tiny ReID network in ONNX, written byte by byte in protobuf's wire format: no package is needed to make it.

It takes the mean of each channel over the picture, so its vectors can be told by eye: (B, 3, H, W) -> (B, 3).
"""

from collections.abc import Sequence

_FLOAT = 1  # TensorProto.FLOAT
Axis = int | str  # a length, or the name of an axis of any length


def mean_colour_network(shape: Sequence[Axis], axes: tuple[int, int] = (2, 3), outputs: int = 3) -> bytes:
    """A ModelProto: one ReduceMean over `axes` of an input of `shape`."""
    node = _text(1, "pixels") + _text(2, "vectors") + _text(4, "ReduceMean")
    node += _message(5, _text(1, "axes") + b"".join(_number(8, axis) for axis in axes) + _number(20, 7))
    node += _message(5, _text(1, "keepdims") + _number(3, 0) + _number(20, 2))
    graph = _message(1, node) + _text(2, "mean-colour")
    graph += _message(11, _value("pixels", shape)) + _message(12, _value("vectors", [shape[0], outputs]))
    opset = _text(1, "") + _number(2, 13)
    return _number(1, 8) + _message(7, graph) + _message(8, opset)


def _value(name: str, shape: Sequence[Axis]) -> bytes:
    axes = (_number(1, axis) if isinstance(axis, int) else _text(2, axis) for axis in shape)
    tensor = _number(1, _FLOAT) + _message(2, b"".join(_message(1, axis) for axis in axes))
    return _text(1, name) + _message(2, _message(1, tensor))


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _message(field: int, body: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(body)) + body


def _text(field: int, value: str) -> bytes:
    return _message(field, value.encode())
