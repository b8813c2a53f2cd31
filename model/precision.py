"""Where an encoder runs and in which precision: decided by what the hardware can do, never by timing it."""

from typing import Literal

import torch

from model.errors import DeviceUnavailable

DeviceName = Literal["auto", "cpu", "cuda"]


def pick_device(name: str) -> torch.device:
    """`auto` is the GPU where there is one.

    Raises:
        DeviceUnavailable: `cuda` was asked for and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceUnavailable(
            "the device is set to cuda and torch finds no CUDA device: "
            "check the driver, or set VILLS_DEVICE to cpu or auto"
        )
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def pick_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the processor multiplies it natively, else float32.

    Without such instructions (AVX512-BF16 or AMX on a CPU, compute capability 8.0 on a GPU) bfloat16 is emulated and
    slower than float32; with AVX512-BF16 alone it was measured 1.6 to 2 times as fast, with AMX 3 to 5 times.
    """
    if device.type == "cuda":
        native = torch.cuda.get_device_capability(device) >= (8, 0)
    else:
        capabilities = torch.cpu.get_capabilities()
        native = bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return torch.bfloat16 if native else torch.float32


def fast_autocast(device: torch.device) -> torch.autocast:
    """Autocast to bfloat16 for training, where `pick_dtype` takes it; elsewhere a context that changes nothing.

    Emulated, a training step of convolutions takes some ten times as long as in float32.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=pick_dtype(device) == torch.bfloat16)
