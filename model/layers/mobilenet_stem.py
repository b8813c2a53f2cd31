"""A convolutional stem in place of the ViT's patch embedding: MobileNetV2 (Sandler et al., CVPR 2018) at stride 16."""

from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import mobilenet_v2

from model.layers.published import fill_in_order
from model.layers.stem import ConvStem

CHANNELS = 320  # of the last inverted residual
N_BLOCKS = 18  # all of MobileNetV2 but the 1x1 convolution before its classifier
LAST_STRIDED = 14  # its stride is 1 here, so that a crop keeps a grid of H / 16 x W / 16 (Luo et al., 2019)


class MobileNetStem(ConvStem):
    """MobileNetV2 without its head; see `ConvStem`."""

    def __init__(self, **timm: Any) -> None:
        blocks = mobilenet_v2(weights=None).features[:N_BLOCKS]
        blocks[LAST_STRIDED].conv[1][0].stride = (1, 1)
        super().__init__(blocks, CHANNELS, **timm)

    def fold(self) -> None:
        """Fold every batch norm into the convolution before it: the same arithmetic in fewer steps, for inference only.

        A variance would not survive float16 or bfloat16; folded in float32, nothing is left of it to lose.
        """
        _fold(self.blocks)


def _fold(module: nn.Module) -> None:
    children = list(module.named_children())
    for (first_name, first), (name, second) in pairwise(children):
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
            module.register_module(first_name, fuse_conv_bn_eval(first, second))
            module.register_module(name, nn.Identity())
    for _, child in children:
        _fold(child)


def load_imagenet(stem: ConvStem, tensors: dict[str, Tensor]) -> None:
    """Fill the stem with a MobileNetV2 trained on ImageNet, of any naming: tensors are matched in order, by shape.

    Raises:
        ValueError: the tensors are of another network.
    """
    fill_in_order(stem.blocks, tensors, "MobileNetV2")
