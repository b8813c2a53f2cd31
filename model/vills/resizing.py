"""Weights of a network for crops of another size: two tensors depend on it."""

from collections.abc import Mapping

from timm.layers.pos_embed import resample_abs_pos_embed
from torch import Tensor

from model.layers.resampling import resampled_weights
from model.vills.config import VillsConfig

POSITIONS = "trunk.pos_embed"
PLACES = "trunk.patch_embed.head.places"  # of a stem with a descriptor


def resized(tensors: Mapping[str, Tensor], before: VillsConfig, after: VillsConfig) -> dict[str, Tensor]:
    """The tensors of a network of `before`'s grid, with tables over it resampled to `after`'s grid."""
    changed = dict(tensors)
    if before.grid != after.grid:
        changed[POSITIONS] = resample_abs_pos_embed(
            tensors[POSITIONS], new_size=list(after.grid), old_size=list(before.grid), num_prefix_tokens=1
        )
        if PLACES in tensors:
            changed[PLACES] = resampled_weights(tensors[PLACES], after.grid)
    return changed
