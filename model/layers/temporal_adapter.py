"""The temporal adapter of UFLA: what changes over a clip's frames, and exactly nothing where nothing changes."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.layers.clip_layout import ClipLayout


class TemporalAdapter(nn.Module):
    """A bottleneck over time: each token minus its mean over the clip's real frames, convolved along the frames.

    Every step maps 0 to 0 (no bias anywhere, GELU(0) = 0), so with any weights it adds exactly 0 to a clip of one
    frame and to frames of equal tokens. The convolution (kernel 3) tells the order of frames.
    """

    def __init__(self, channels: int, bottleneck: int) -> None:
        super().__init__()
        self.down = nn.Linear(channels, bottleneck, bias=False)
        # Depthwise over time: weights of the frame before, the frame itself and the frame after.
        self.kernel = nn.Parameter(self.down.weight.new_empty(3, bottleneck))
        self.up = nn.Linear(bottleneck, channels, bias=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        # Small, not zero: it begins close to nothing, and all three tensors have a gradient from the first step.
        nn.init.trunc_normal_(self.down.weight, std=0.02)
        nn.init.normal_(self.kernel, std=0.5)
        nn.init.trunc_normal_(self.up.weight, std=0.02)

    @torch.no_grad()
    def silence(self) -> None:
        """Begin by adding exactly 0, to any clip.

        Where tracks are too short to teach it anything, as Market-1501's are, an adapter that began as drawn turned the
        vectors of clips by eight degrees after 600 steps, nearly all alike and away from those of images.
        """
        nn.init.zeros_(self.up.weight)

    @torch.no_grad()
    def amplify(self, times: float) -> None:
        """Make both linear maps `times` larger: a fresh adapter then begins with a say of its own.

        As drawn, what it adds is a fiftieth of a token, and so small that GELU is nearly linear: summed over a clip,
        deviations from the mean then cancel. That suits a trunk that knows something, and holds up one that does not.
        """
        self.down.weight.mul_(times)
        self.up.weight.mul_(times)

    def forward(self, tokens: Tensor, layout: ClipLayout) -> Tensor:
        """What to add to the tokens of the real frames: (F, L, C) -> (F, L, C)."""
        # The deviation comes before `down`: a product of matrices may round equal rows apart by where they stand.
        x = layout.unpack(F.layer_norm(tokens, tokens.shape[-1:]))  # (B, T, L, C)
        x = self.down(layout.repack(self._deviation(x, layout)))  # (F, L, N)
        x = F.pad(layout.unpack(x), (0, 0, 0, 0, 1, 1))  # (B, T + 2, L, N)
        before, itself, after = self.kernel
        x = x[:, :-2] * before + x[:, 1:-1] * itself + x[:, 2:] * after  # (B, T, L, N)
        added: Tensor = self.up(F.gelu(layout.repack(x)))  # (F, L, C)
        return added

    @staticmethod
    def _deviation(x: Tensor, layout: ClipLayout) -> Tensor:
        """Each frame minus the mean over the clip's real frames, 0 in the padding: (B, T, L, C), same shape out.

        The first frame is taken off beforehand: copies of it are then 0 before any rounding, where the mean of
        T equal numbers need not be that number.
        """
        real = layout.real(x.dtype)[:, :, None, None]  # (B, T, 1, 1)
        x = (x - x[:, :1]) * real
        mean = x.sum(dim=1, keepdim=True) / real.sum(dim=1, keepdim=True)  # (B, 1, L, C)
        return (x - mean) * real
