"""The VILLS network in a form that a graph of fixed operations can hold: the mask is multiplied, never indexed with."""

import torch.nn.functional as F
from torch import Tensor, nn

from model.layers.temporal_adapter import TemporalAdapter
from model.vills.network import Vills


class ClipOrder:
    """Which frames of a clip are real and which of them follows which, as matrices; `ClipLayout` without indices.

    A hole in the middle of a clip closes, as there: a frame's neighbours are the real ones before and after it.
    """

    def __init__(self, mask: Tensor) -> None:
        """From a bool mask (B, T), True where a frame is real; every clip has at least one."""
        rank = mask.long().cumsum(dim=1)  # (B, T) place from 1 among the clip's real frames
        both = mask[:, :, None] & mask[:, None, :]  # (B, T, T)
        self.real = mask.float()[:, :, None]  # (B, T, 1)
        self.n_real = self.real.sum(dim=1, keepdim=True)  # (B, 1, 1)
        self.first = (mask & (rank == 1)).float()[:, None, :]  # (B, 1, T): 1 at the first real frame
        # 1 in row i and column j where the real frame j comes just before the real frame i.
        self.before = (both & (rank[:, :, None] == rank[:, None, :] + 1)).float()  # (B, T, T)
        self.after = self.before.transpose(1, 2)

    def mean(self, x: Tensor) -> Tensor:
        """Over each clip's real frames: (B, T, X) -> (B, 1, X)."""
        return (x * self.real).sum(dim=1, keepdim=True) / self.n_real


class ExportableVills(nn.Module):
    """Computes what `Vills` computes, with the same submodules and the same weights, for any B and T.

    Padding is computed along and has no effect. A clip of one frame meets the adapters too: they add exactly 0 to it,
    here as there.
    """

    def __init__(self, network: Vills) -> None:
        """Of a network set to inference; its tensors are shared, not copied."""
        super().__init__()
        self.network = network

    def forward(self, clips: Tensor, mask: Tensor) -> Tensor:
        """RGB 0-255, float32 (B, T, 3, H, W), and bool mask (B, T) -> (B, D), unit length."""
        n_clips, n_frames = mask.shape
        order = ClipOrder(mask)
        patches, descriptor = self.network.stem(self.network.normalise(clips.flatten(0, 1)))
        tokens = self._tokens(patches, order)  # (B T, 1 + L, C)
        features = self.network.frame_features(tokens, descriptor)
        features = features.view(n_clips, n_frames, self.network.config.dimension)
        embedding: Tensor = self.network.neck(order.mean(features).squeeze(1))  # (B, D)
        return embedding

    def _tokens(self, patches: Tensor, order: ClipOrder) -> Tensor:
        """As `Vills.tokens_of`, for all frames of the clips, padding too: (B T, L, C) -> (B T, 1 + L, C)."""
        trunk = self.network.trunk
        x = trunk.norm_pre(trunk._pos_embed(patches))
        for number, block in enumerate(trunk.blocks):
            if str(number) in self.network.adapters:
                adapter = self.network.adapters[str(number)]
                assert isinstance(adapter, TemporalAdapter)
                x = x + added_by(adapter, x, order)
            x = block(x)
        tokens: Tensor = trunk.norm(x)
        return tokens


def added_by(adapter: TemporalAdapter, tokens: Tensor, order: ClipOrder) -> Tensor:
    """As `TemporalAdapter.forward`, for all frames of the clips, 0 in the padding: (B T, L, C) -> (B T, L, C)."""
    n_clips, n_frames, _ = order.real.shape
    n_tokens, channels = tokens.shape[1:]
    x = F.layer_norm(tokens, (channels,)).view(n_clips, n_frames, n_tokens * channels)  # (B, T, L C)
    # The first frame is taken off beforehand, and `down` comes afterwards: copies of it are 0 before any rounding.
    x = (x - order.first @ x) * order.real
    x = (x - order.mean(x)) * order.real
    x = adapter.down(x.view(-1, n_tokens, channels))  # (B T, L, N)
    width = x.shape[2]
    x = x.view(n_clips, n_frames, n_tokens * width)  # (B, T, L N)
    before, itself, after = (weight.repeat(n_tokens) for weight in adapter.kernel)  # (L N,) each
    x = (order.before @ x) * before + x * itself + (order.after @ x) * after
    added: Tensor = adapter.up(F.gelu(x.view(-1, n_tokens, width)))  # (B T, L, C)
    return added


def folded(network: Vills) -> Vills:
    """The network set to inference on the CPU in float32, its stem's batch norms folded. The one given is changed."""
    network = network.cpu().float().eval().requires_grad_(False)
    fold = getattr(network.trunk.patch_embed, "fold", None)
    if fold is not None:
        fold()
    return network
