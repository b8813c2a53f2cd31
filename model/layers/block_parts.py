"""A trunk's blocks in parts, so that a layer can stand inside of one, after its convolution of 3 x 3."""

from dataclasses import dataclass

from timm.models.resnet import BasicBlock, Bottleneck
from timm.models.senet import SEResNetBottleneck
from torch import nn
from torchvision.models.mobilenetv2 import InvertedResidual

Steps = tuple[nn.Module | None, ...]  # None: what a trunk of this name has not


@dataclass(frozen=True, slots=True)
class BlockParts:
    """A block is last(outer(inner(x)) + shortcut(x)), or outer(inner(x)) without a shortcut: its own modules."""

    inner: nn.Sequential  # up to the activation behind the 3 x 3
    outer: nn.Sequential
    shortcut: nn.Module | None
    last: nn.Module


def block_parts(block: nn.Module) -> BlockParts:
    """The parts of a block of any `FrameTrunk` that a stage may begin with.

    Of ResNet-18's two convolutions of 3 x 3 the first counts, of MobileNetV2's block the one by depth. A block of
    Inception-v3 has several paths and is not taken apart: all of it is `inner`.
    """
    inner: Steps
    if isinstance(block, Bottleneck):
        inner = (block.conv1, block.bn1, block.act1, block.conv2, block.bn2, block.drop_block, block.act2, block.aa)
        return _residual(block, inner, (block.conv3, block.bn3, block.se), block.act3)
    if isinstance(block, BasicBlock):
        inner = (block.conv1, block.bn1, block.drop_block, block.act1, block.aa)
        return _residual(block, inner, (block.conv2, block.bn2, block.se), block.act2)
    if isinstance(block, SEResNetBottleneck):
        inner = (block.conv1, block.bn1, block.relu, block.conv2, block.bn2, block.relu)
        return _residual(block, inner, (block.conv3, block.bn3, block.se_module), block.relu)
    if isinstance(block, InvertedResidual):
        shortcut = nn.Identity() if block.use_res_connect else None
        return BlockParts(block.conv[:-2], block.conv[-2:], shortcut, nn.Identity())
    return BlockParts(nn.Sequential(block), nn.Sequential(), None, nn.Identity())


def _residual(block: nn.Module, inner: Steps, outer: Steps, last: nn.Module) -> BlockParts:
    before, after = (nn.Sequential(*(step for step in steps if step is not None)) for steps in (inner, outer))
    shortcut = block.downsample or nn.Identity()
    assert isinstance(shortcut, nn.Module)
    return BlockParts(before, after, shortcut, last)
