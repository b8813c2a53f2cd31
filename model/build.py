"""The one place where an encoder is chosen by name."""

import os
from pathlib import Path

from model.encoder import Encoder
from model.errors import WeightsMismatch
from model.onnx import OnnxEncoder
from model.systems.names import NAMES
from model.vills.config import find_config

_ONNX = "onnx:"


def build_encoder(
    name: str,
    *,
    weights: Path | None = None,
    device: str = "auto",
    threads: int = 0,
    model_dir: Path | None = None,
    compile: bool = False,
) -> Encoder:
    """Build the encoder called `name`: `vills-light`, the service's default, another of
    `model.vills.config.CONFIGS`, a published system of `model.systems.names.NAMES`, or `onnx:FILE`.

    `weights` is a safetensors file of such a network. Without it the weights that come with the product are taken,
    which `vills-light` has; a network that has none is seeded, and its card says untrained.
    `device` is `auto`, `cpu` or `cuda`. `threads` is for a CPU, 0 is one a core; for VILLS it sets torch's threads,
    which belong to the whole process. `FILE` is a path, or a name that is looked up in `model_dir`. Building any but
    an ONNX file changes how the process keeps freed memory (`model.memory`).

    Raises:
        UnknownEncoder: no encoder has that name.
        WeightsMismatch: the weights are of another network, damaged, or given for an ONNX file.
        BadModelFile: the ONNX file or its description cannot be used.
        DeviceUnavailable: the device is not there.
    """
    threads = threads or len(os.sched_getaffinity(0))
    if name.startswith(_ONNX):
        if weights is not None:
            raise WeightsMismatch(
                f"{name} carries its own weights, and {weights} was given too, by --weights or VILLS_WEIGHTS: "
                "leave it out"
            )
        return OnnxEncoder(find_onnx(name.removeprefix(_ONNX), model_dir), device=device, threads=threads)
    if name not in NAMES:
        find_config(name)  # a wrong name is refused at once
    # OpenMP reads this once, when torch loads it. By default its threads spin at every barrier, and where other work
    # shares the cores each waits for a thread that was put to sleep: measured 4 to 10 times slower with 2 threads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Here, because torch takes seconds and hundreds of megabytes, and an ONNX encoder needs none of it.
    if name in NAMES:
        from model.systems.encoder import build_system

        return build_system(name, weights=weights, device=device, threads=threads)
    from model.vills.build import build_vills

    return build_vills(name, weights=weights, device=device, threads=threads, compile=compile)


def find_onnx(file: str, model_dir: Path | None) -> Path:
    """The ONNX file: the path itself where it exists, else the same name in `model_dir`."""
    path = Path(file).expanduser()
    if not path.is_file() and model_dir is not None and path.name == file:
        named = model_dir / (file if path.suffix == ".onnx" else f"{file}.onnx")
        return named if named.is_file() else model_dir / file
    return path
