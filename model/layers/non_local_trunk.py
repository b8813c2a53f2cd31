"""A trunk whose frames look at one another: non-local blocks between the residual blocks of its middle stages."""

from copy import deepcopy

import torch
from torch import Tensor, nn

from model.layers.frame_trunk import FrameTrunk
from model.layers.non_local import NonLocal

# How many blocks at most in which stage: with ResNet-50, in res3 after residual blocks 2 and 4, in res4 after 2, 4, 6.
COUNTS = {2: 2, 3: 3}


class NonLocalTrunk(nn.Module):
    """(B, T, 3, H, W) -> (B, T, C, h, w): a trunk for each frame, with up to five non-local blocks over the clip.

    They stand after every other residual block of the stages whose maps have strides 8 and 16. Fresh blocks do nothing,
    so it begins as the trunk alone, frame by frame; the order of frames never counts.

    Source: Gu et al. (TKP, ICCV 2019), Hou et al. (VRSTC, CVPR 2019): ResNet-50, five blocks, keys and values
    subsampled. Assumed: other trunks go by the same rule, and get fewer where a stage has fewer blocks (ResNet-18
    1 + 1, MobileNetV2 1 + 3, Inception-v3 1 + 2).
    """

    def __init__(self, trunk: FrameTrunk, *, fan_out: bool = False) -> None:
        """`fan_out`: how the blocks are drawn, see `NonLocal`."""
        super().__init__()
        self.trunk = trunk
        # "stage.block", counted from 0, and a dash as a name may have no dot.
        self.blocks = nn.ModuleDict(
            {
                _name(*place): NonLocal(width, dims=3, subsample=True, fan_out=fan_out)
                for place, width in _places(trunk).items()
            }
        )

    @property
    def channels(self) -> int:
        """C of the map that comes out."""
        return self.trunk.channels[-1]

    def forward(self, clips: Tensor) -> Tensor:
        """(B, T, 3, H, W), normalised, each frame real -> the last stage's maps, (B, T, C, h, w)."""
        clip = clips.shape[:2]
        x = clips.flatten(0, 1)  # (F, 3, H, W), F = B T
        for s, stage in enumerate(self.trunk.stages):
            for b, block in enumerate(stage.children()):
                x = block(x)
                name = _name(s, b)
                if name in self.blocks:
                    over_time = x.view(*clip, *x.shape[1:]).transpose(1, 2)  # (B, C, T, H, W)
                    x = self.blocks[name](over_time).transpose(1, 2).flatten(0, 1)  # (F, C, H, W)
        return x.view(*clip, *x.shape[1:])


def _name(stage: int, block: int) -> str:
    return f"{stage}-{block}"


@torch.no_grad()
def _places(trunk: FrameTrunk) -> dict[tuple[int, int], int]:
    """Stage and block, from 0, after which a non-local block stands -> the channels of its maps.

    Within a stage blocks may differ in width (MobileNetV2), so a picture without numbers is sent through.
    """
    places: dict[tuple[int, int], int] = {}
    x = torch.empty(1, 3, 299, 299, device="meta")  # a size that every trunk takes
    for s, stage in enumerate(deepcopy(trunk).to("meta").eval().stages):
        for b, block in enumerate(stage.children()):
            x = block(x)
            if b % 2 == 1 and b // 2 < COUNTS.get(s, 0):
                places[s, b] = x.shape[1]
    return places
