"""Convolutional networks as five stages that a system may put its own modules between."""

from collections.abc import Callable
from itertools import pairwise
from typing import Literal, get_args

import timm
import torch
from torch import Tensor, nn
from torchvision.models import mobilenet_v2

# legacy_seresnet50: that of the paper's authors, in Caffe, whose weights came first. A stage's stride is that of its
# first convolution and not of its 3 x 3, and the stem pools without padding. The tensors' shapes are seresnet50's.
TrunkName = Literal["resnet50", "resnet18", "seresnet50", "legacy_seresnet50", "inception_v3", "mobilenetv2"]


class FrameTrunk(nn.Module):
    """(F, 3, H, W) -> (F, C, h, w), frame by frame. Papers count its stages from 1: "after block 4" is `stages[3]`.

    Without weights: those come with a run (`model.training.start`).
    """

    last_stride: Literal[1, 2]  # of the last stage
    stages: nn.ModuleList  # five nn.Sequential of blocks
    channels: tuple[int, ...]  # after each stage

    def __init__(self, name: TrunkName, *, last_stride: Literal[1, 2] = 1) -> None:
        """`last_stride`: of the last stage; with 1 a map is twice as high and wide as the published network's.

        Raises:
            ValueError: no trunk has that name, or it cannot have that stride.
        """
        super().__init__()
        if name not in _MAKERS:
            raise ValueError(f"no trunk is called {name!r}: use one of {', '.join(get_args(TrunkName))}")
        if name == "inception_v3" and last_stride == 1:
            raise ValueError("inception_v3 halves its last map by a block of pooling: last_stride has to be 2")
        self.last_stride = last_stride
        stages, self.channels = _MAKERS[name]()
        if last_stride == 1:
            _keep_size(stages[-1])
        self.stages = nn.ModuleList(stages)
        # A pixel's channels beside each other: half of the time of MobileNetV2 in training on CPUs (float32).
        self.to(memory_format=torch.channels_last)

    def forward(self, frames: Tensor) -> Tensor:
        """(F, 3, H, W), normalised -> the last stage's map, (F, C, h, w)."""
        for stage in self.stages:
            frames = stage(frames)
        return frames


Made = tuple[list[nn.Sequential], tuple[int, ...]]  # stages, channels after each


def trunks_of(network: nn.Module) -> list[FrameTrunk]:
    """All trunks inside a network, in its order."""
    return [module for module in network.modules() if isinstance(module, FrameTrunk)]


def _resnet(name: str) -> Made:
    parts = dict(timm.create_model(name, pretrained=False).named_children())
    stem = nn.Sequential(*(parts[each] for each in ("conv1", "bn1", "act1", "maxpool")))
    width = 512 if name == "resnet18" else 2048
    return (
        [stem, *(nn.Sequential(*parts[f"layer{number}"].children()) for number in range(1, 5))],
        (64, width // 8, width // 4, width // 2, width),
    )


def _legacy_seresnet() -> Made:
    parts = dict(timm.create_model("legacy_seresnet50", pretrained=False).named_children())
    stem = nn.Sequential(*parts["layer0"].children(), parts["pool0"])
    stages = [stem, *(nn.Sequential(*parts[f"layer{number}"].children()) for number in range(1, 5))]
    return stages, (64, 256, 512, 1024, 2048)


def _inception() -> Made:
    net = timm.create_model("inception_v3", pretrained=False, aux_logits=False)
    parts = dict(net.named_children())
    starts = ["Conv2d_1a_3x3", "Conv2d_3b_1x1", "Mixed_5b", "Mixed_6a", "Mixed_7a", "global_pool"]
    names = list(parts)
    edges = [names.index(start) for start in starts]
    stages = [nn.Sequential(*(parts[each] for each in names[a:b])) for a, b in pairwise(edges)]
    return stages, (64, 192, 288, 768, 2048)


def _mobilenet() -> Made:
    blocks = mobilenet_v2(weights=None).features
    edges = [0, 2, 4, 7, 14, 18]
    stages = [blocks[a:b] for a, b in pairwise(edges)]
    return stages, (16, 24, 32, 96, 320)


def _keep_size(stage: nn.Module) -> None:
    """Take strides out of a stage (Luo et al., "Bag of Tricks", 2019, section 3.6): same weights, a larger map."""
    for module in stage.modules():
        if isinstance(module, nn.Conv2d | nn.AvgPool2d) and module.stride not in (1, (1, 1)):
            module.stride = (1, 1)


_MAKERS: dict[str, Callable[[], Made]] = {
    "resnet50": lambda: _resnet("resnet50"),
    "resnet18": lambda: _resnet("resnet18"),
    "seresnet50": lambda: _resnet("seresnet50"),
    "legacy_seresnet50": _legacy_seresnet,
    "inception_v3": _inception,
    "mobilenetv2": _mobilenet,
}
