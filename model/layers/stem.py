"""What a convolutional stem is: it takes the place of a ViT's patch embedding."""

from typing import Any

import torch
from torch import Tensor, nn

STRIDE = 16


class ConvStem(nn.Module):
    """Takes the place of timm's `PatchEmbed`: (F, 3, H, W) -> (F, L, C), L = H / 16 * W / 16, row after row.

    A stem that was made for telling persons apart also says what it makes of the whole picture: its descriptor.
    """

    blocks: nn.Sequential  # (F, 3, H, W) -> (F, width, H / 16, W / 16); frozen and slowed block by block
    head: nn.Module | None  # (F, width, H / 16, W / 16) -> (F, S), the descriptor
    descriptor: int = 0  # S, its numbers

    def __init__(
        self,
        blocks: nn.Sequential,
        width: int,
        img_size: tuple[int, int],
        patch_size: int,
        in_chans: int,
        embed_dim: int,
        bias: bool = True,
        **_: Any,
    ) -> None:
        """The arguments after `width` are timm's; only what a stem can do is accepted.

        Raises:
            ValueError: another stride than 16, or pictures that are not RGB.
        """
        super().__init__()
        if patch_size != STRIDE or in_chans != 3:
            raise ValueError(f"this stem makes {STRIDE}-pixel tokens of RGB, not {patch_size} of {in_chans} channels")
        self.grid_size = (img_size[0] // STRIDE, img_size[1] // STRIDE)
        self.num_patches = self.grid_size[0] * self.grid_size[1]
        self.blocks = blocks
        self.head = None
        self.proj = nn.Conv2d(width, embed_dim, 1, bias=bias)
        # A pixel's channels beside each other: the small convolutions of a stem take two thirds of the time on CPUs.
        self.to(memory_format=torch.channels_last)

    def forward(self, frames: Tensor) -> Tensor:
        """(F, 3, H, W) -> (F, L, C)."""
        return self._tokens(self.blocks(frames))

    def both(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens and descriptor: (F, 3, H, W) -> (F, L, C), (F, S)."""
        seen = self.blocks(frames)
        descriptor = seen.new_zeros(len(frames), 0) if self.head is None else self.head(seen)
        return self._tokens(seen), descriptor

    def published(self) -> list[nn.Module]:
        """What published weights fill, from the pixels on."""
        return [*self.blocks] if self.head is None else [*self.blocks, self.head]

    def _tokens(self, seen: Tensor) -> Tensor:
        tokens: Tensor = self.proj(seen).flatten(2).transpose(1, 2)
        return tokens

    def fold(self) -> None:
        """Merge what inference need not keep apart, to the same result: nothing, unless a stem says otherwise."""
