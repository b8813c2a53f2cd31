"""Errors of the model package.

ModelError
├─ UnknownEncoder     no encoder has that name
├─ WeightsMismatch    weights of another network, size or fingerprint
├─ WeightsUnwritable  the disk does not take the weights
├─ BadModelFile       an ONNX file or its description cannot be used
├─ ExportFailed       a network cannot be written as ONNX
├─ BadClip            an array that is no clip of this encoder
├─ BadEmbedding       the network gave no direction for a clip
├─ DeviceUnavailable  the device asked for is not there
└─ DeviceFailed       the device is gone: nothing will work until the process restarts
"""


class ModelError(Exception):
    """Anything that keeps pixels from becoming embeddings."""


class UnknownEncoder(ModelError):
    """No encoder has that name."""


class WeightsMismatch(ModelError):
    """The weights belong to another network, or are not whole."""


class WeightsUnwritable(ModelError):
    """Weights cannot be written to where they shall go."""


class BadModelFile(ModelError):
    """An ONNX file, or the description beside it, is missing or does not fit."""


class ExportFailed(ModelError):
    """A network cannot be written as ONNX: the place is wrong, or packages are missing."""


class BadClip(ModelError):
    """The array given is no clip this encoder can take."""


class BadEmbedding(ModelError):
    """The network gave a vector without a direction: zero, infinite or not a number."""


class DeviceUnavailable(ModelError):
    """The device asked for is not there, or the runtime cannot use it."""


class DeviceFailed(ModelError):
    """The device failed in a way that outlasts the call (a sticky CUDA error, say)."""
