"""Where a network looks: attention of [CLS] in the last block, and of each part query, over a person crop."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from model.layers.clip_layout import ClipLayout
from model.pictures import ink
from model.vills.network import Vills

Crops = npt.NDArray[np.uint8]  # (F, H, W, 3), RGB
Numbers = npt.NDArray[np.float32]

HEIGHT = 256  # of a crop as it is drawn; its width follows
GAP, MARGIN, HEAD, CAPTION = 10, 16, 24, 18
# From little to much: dark blue, violet, orange, yellow. Rises evenly in brightness, so grey prints tell the same.
HEAT = np.array([(13, 8, 100), (126, 3, 168), (204, 71, 120), (248, 149, 64), (240, 249, 33)], np.float32)
VEIL = 0.65  # how much of the colour covers the crop where attention is largest


@dataclass(frozen=True, slots=True)
class AttentionMaps:
    """Float32 over the grid of patches, rows down and across; each map sums to 1."""

    whole: Numbers  # (F, down, across), of [CLS], mean over heads, [CLS] itself left out
    parts: Numbers  # (F, K, down, across)

    def of(self, crop: int) -> Numbers:
        """All maps of one crop, [CLS] first: (1 + K, down, across)."""
        return np.concatenate([self.whole[crop : crop + 1], self.parts[crop]])


@torch.inference_mode()
def attention_maps(network: Vills, crops: Crops) -> AttentionMaps:
    """Look at uint8 RGB crops (F, H, W, 3) of the network's size, one by one as images.

    The network must be in inference mode, on any device.
    """
    device = network.mean.device
    pixels = torch.from_numpy(crops.copy()).to(device).permute(0, 3, 1, 2)
    layout = ClipLayout(torch.ones(len(crops), 1, dtype=torch.bool, device=device))
    entering: list[Tensor] = []
    attention: Any = network.trunk.blocks[-1].attn
    hook = attention.register_forward_pre_hook(lambda _, inputs: entering.append(inputs[0]))
    try:
        tokens = network.tokens(network.normalise(pixels), layout)  # (F, 1 + L, C)
    finally:
        hook.remove()
    weights = _cls_attention(attention, entering[0])[:, 1:]  # (F, L)
    parts = network.parts.attention(tokens[:, 1:].to(network.parts.queries.dtype))  # (F, K, L)
    return AttentionMaps(
        whole=_on_grid(weights / weights.sum(dim=1, keepdim=True), network),
        parts=_on_grid(parts, network),
    )


def _cls_attention(attention: Any, x: Tensor) -> Tensor:
    """How much [CLS] looks at every token, mean over heads: (F, 1 + L, C) -> (F, 1 + L).

    The fused kernel never shows its weights, so they are computed again from the same queries and keys.
    """
    n_frames, n_tokens, _ = x.shape
    qkv = attention.qkv(x).reshape(n_frames, n_tokens, 3, attention.num_heads, attention.head_dim)
    q, k = attention.q_norm(qkv[:, :1, 0]), attention.k_norm(qkv[:, :, 1])  # (F, 1, heads, X), (F, 1 + L, heads, X)
    scores = torch.einsum("fqhx,fkhx->fhqk", q, k) * attention.scale
    mean: Tensor = scores.float().softmax(dim=-1).mean(dim=1).squeeze(1)
    return mean


def _on_grid(weights: Tensor, network: Vills) -> Numbers:
    maps: Numbers = weights.float().cpu().reshape(*weights.shape[:-1], *network.config.grid).numpy()
    return maps


def draw_maps(path: Path, crops: Crops, maps: AttentionMaps, names: Sequence[str] = ()) -> None:
    """Write a PNG with one line a crop: the crop, and over it the map of [CLS] and of each part.

    Every map is drawn from 0 to its own largest value, which stands below it in per cent of the whole. `names` stand
    below the crops.
    """
    n_crops, height, width = crops.shape[:3]
    shown = (HEIGHT, round(HEIGHT * width / height))
    titles = ["", "[CLS]", *(f"part {number}" for number in range(1, maps.parts.shape[1] + 1))]
    sheet = Image.new("RGB", sheet_size(n_crops, len(titles), shown), ink.PAPER)
    draw = ImageDraw.Draw(sheet)
    for column, title in enumerate(titles):
        left, top = place_of(0, column, shown)
        ink.text(draw, (left, top - HEAD + 4), title)
    for line, crop in enumerate(crops):
        picture = Image.fromarray(crop).resize(shown[::-1], Image.Resampling.BICUBIC)
        left, top = place_of(line, 0, shown)
        sheet.paste(picture, (left, top))
        if names:
            ink.text(draw, (left, top + HEIGHT + 3), ink.fitted(names[line], shown[1], 12), 12, ink.FAINT)
        for column, values in enumerate(maps.of(line), 1):
            left, top = place_of(line, column, shown)
            sheet.paste(overlaid(picture, values), (left, top))
            ink.text(draw, (left, top + HEIGHT + 3), f"at most {values.max():.1%}", 12, ink.FAINT)
    sheet.save(path, "PNG")


def overlaid(picture: Image.Image, values: Numbers) -> Image.Image:
    """A map (down, across) over a picture, grey below it; 0 leaves the picture dark blue, the largest value yellow."""
    largest = float(values.max())
    small = Image.fromarray(values / largest if largest > 0 else values)
    heat = np.asarray(small.resize(picture.size, Image.Resampling.BICUBIC)).clip(0, 1)[..., None]  # (H, W, 1)
    steps = np.linspace(0, 1, len(HEAT))
    colours = np.concatenate([np.interp(heat, steps, HEAT[:, channel]) for channel in range(3)], axis=2)
    grey = np.asarray(picture.convert("L"), np.float32)[..., None]
    mixed = grey * (1 - VEIL) + colours * VEIL
    return Image.fromarray(mixed.round().astype(np.uint8))


def sheet_size(n_crops: int, n_columns: int, shown: tuple[int, int]) -> tuple[int, int]:
    """Width and height in pixels; `shown` is height and width of a crop as it is drawn."""
    width = 2 * MARGIN + n_columns * (shown[1] + GAP) - GAP
    return width, HEAD + 2 * MARGIN + n_crops * (shown[0] + CAPTION + GAP) - GAP


def place_of(line: int, column: int, shown: tuple[int, int]) -> tuple[int, int]:
    """Left and top of a picture."""
    return MARGIN + column * (shown[1] + GAP), HEAD + MARGIN + line * (shown[0] + CAPTION + GAP)
