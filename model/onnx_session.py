"""Opening an ONNX file: the one place that knows ONNX Runtime's settings."""

from pathlib import Path
from typing import Any

import onnxruntime

from model.errors import BadModelFile, DeviceUnavailable

Session = Any  # onnxruntime.InferenceSession carries no types

_ERROR = 3  # ONNX Runtime's log level: its warnings about graph clean-up are of no use to an operator


def open_session(path: Path, *, device: str = "cpu", threads: int = 1) -> Session:
    """A session on `cpu`, `cuda`, or `auto` (the GPU where ONNX Runtime can use one).

    On a CPU each call uses `threads` threads; calls from several threads at once are allowed.

    Raises:
        BadModelFile: no such file, or not an ONNX network this runtime can run.
        DeviceUnavailable: `cuda` was asked for and this ONNX Runtime has no CUDA.
    """
    if not path.is_file():
        raise BadModelFile(f"the ONNX file {path} does not exist: give a path, or put it into VILLS_MODEL_DIR")
    onnxruntime.disable_telemetry_events()  # whom somebody looks for is nobody else's business
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERROR
    providers = _providers(device)
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # ONNX Runtime's errors share no base class
        raise BadModelFile(
            f"ONNX Runtime {onnxruntime.__version__} cannot run {path} ({error}): export the network anew"
        ) from error
    if device == "cuda" and "CUDAExecutionProvider" not in session.get_providers():
        raise DeviceUnavailable(
            f"the device is set to cuda and ONNX Runtime could not start it for {path}: "
            "check the driver and the CUDA libraries, or set VILLS_DEVICE to cpu or auto"
        )
    return session


def runs_on_cuda(session: Session) -> bool:
    """Whether the session computes on a GPU."""
    return "CUDAExecutionProvider" in session.get_providers()


def _providers(device: str) -> list[str]:
    has_cuda = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if device == "cuda" and not has_cuda:
        raise DeviceUnavailable(
            "the device is set to cuda and this ONNX Runtime is built without it: "
            "install onnxruntime-gpu instead of onnxruntime, or set VILLS_DEVICE to cpu or auto"
        )
    use_cuda = has_cuda and device != "cpu"
    return ["CUDAExecutionProvider", "CPUExecutionProvider"] if use_cuda else ["CPUExecutionProvider"]
