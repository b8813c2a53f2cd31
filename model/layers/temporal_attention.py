"""The temporal attention layer of STCnet: what of an adjacent frame resembles each place of this one."""

import torch.nn.functional as F
from torch import Tensor

from model.losses.precision import in_float32


@in_float32
def temporal_attention(current: Tensor, adjacent: Tensor) -> Tensor:
    """The adjacent frame's features, brought to where the current frame looks like them.

    With f_l and r_m the 3 x 3 patches (9C numbers, 0 beyond the edge) about place l of `current` and m of `adjacent`,
    and R_m the C numbers of `adjacent` at m::

        out_l = sum_m a_lm R_m,    a_lm = exp(cos(f_l, r_m)) / sum_m' exp(cos(f_l, r_m'))

    No temperature and no parameters: cosines lie between -1 and 1, so no place weighs e^2 times as much as another.

    Source: Hou et al., "VRSTC: Occlusion-Free Video Person Re-Identification", CVPR 2019, equations 1-3. Assumed:
    places beyond the edge are 0, and a patch of zeros has cosine 0 with all.

    Args:
        current, adjacent: (F, C, h, w), of one size.

    Returns:
        (F, C, h, w), float32 where half precision came in.
    """
    # Unit patches: (F, 9C, L) of the current frame, (F, 9C, M) of the adjacent one.
    patches, others = (F.normalize(F.unfold(each, 3, padding=1), dim=1) for each in (current, adjacent))
    weights = (patches.transpose(1, 2) @ others).softmax(dim=2)  # (F, L, M)
    brought = adjacent.flatten(2) @ weights.transpose(1, 2)  # (F, C, M) x (F, M, L) -> (F, C, L)
    return brought.view_as(current)
