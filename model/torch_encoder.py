"""A torch network behind the encoder interface: arrays in, arrays out, on one device."""

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from model.encoder import Clips, Embeddings, Encoder, EncoderCard, FrameMask
from model.errors import DeviceFailed


class TorchEncoder(Encoder):
    """Owns the network given to it, which maps (B, T, 3, H, W) of 0-255 and a mask (B, T) to unit vectors (B, D).

    Moves it to the device and sets it to inference.
    """

    def __init__(self, card: EncoderCard, network: nn.Module, *, device: torch.device) -> None:
        self.card = card
        self.network = network.to(device).eval().requires_grad_(False)
        self._device = device

    def _encode(self, clips: Clips, mask: FrameMask) -> Embeddings:
        try:
            return self._forward(clips, mask)
        except torch.OutOfMemoryError as error:
            if len(clips) == 1:
                raise DeviceFailed(f"{self._device} has no memory left for a single clip: {error}") from error
        except RuntimeError as error:
            if self._device.type == "cuda" and "CUDA error" in str(error):
                # Sticky: every later call in this process would fail the same way.
                raise DeviceFailed(f"{self._device} failed and the process has to restart: {error}") from error
            raise
        # Out of memory, outside the handler so that its traceback keeps no tensors alive: try with half as much.
        torch.cuda.empty_cache()
        half = len(clips) // 2
        halves = [self._encode(clips[:half], mask[:half]), self._encode(clips[half:], mask[half:])]
        return np.concatenate(halves)

    @torch.inference_mode()
    def _forward(self, clips: Clips, mask: FrameMask) -> Embeddings:
        pixels = _as_tensor(clips).to(self._device).permute(0, 1, 4, 2, 3)  # (B, T, 3, H, W), channels last
        embeddings = self.network(pixels, _as_tensor(mask).to(self._device))  # (B, D)
        return cast(Embeddings, embeddings.float().cpu().numpy())


def _as_tensor(array: np.ndarray) -> Tensor:
    """Without a copy where possible; torch does not take arrays that may not be written to."""
    return torch.from_numpy(array if array.flags.writeable else array.copy())
