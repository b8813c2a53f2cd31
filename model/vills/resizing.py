"""Weights of a network for crops of another size: the table of positions is the only tensor that depends on it."""

from collections.abc import Mapping

from timm.layers.pos_embed import resample_abs_pos_embed
from torch import Tensor

from model.vills.config import VillsConfig

POSITIONS = "trunk.pos_embed"


def resized(tensors: Mapping[str, Tensor], before: VillsConfig, after: VillsConfig) -> dict[str, Tensor]:
    """The tensors of a network of `before`'s grid, with positions resampled (bicubic) to `after`'s grid."""
    changed = dict(tensors)
    if before.grid != after.grid:
        changed[POSITIONS] = resample_abs_pos_embed(
            tensors[POSITIONS], new_size=list(after.grid), old_size=list(before.grid), num_prefix_tokens=1
        )
    return changed
