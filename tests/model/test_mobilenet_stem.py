"""The convolutional stem: its grid, its folding for inference, its ImageNet weights."""

from dataclasses import replace

import pytest
import torch

from model.layers.mobilenet_stem import MobileNetStem, load_imagenet
from model.vills.config import CONFIGS
from model.vills.network import Vills
from model.vills.resizing import POSITIONS, resized
from model.vills.seeding import seeded_network

LIGHT = replace(CONFIGS["vills-mobile"], height=64, width=32)


def a_stem() -> MobileNetStem:
    torch.manual_seed(4)
    stem = MobileNetStem(img_size=(64, 32), patch_size=16, in_chans=3, embed_dim=24).eval()
    for module in stem.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2.0)  # type: ignore[union-attr]
    return stem


def test_tokens_are_the_grid_row_after_row() -> None:
    stem = a_stem()
    assert stem.grid_size == (4, 2) and stem.num_patches == 8
    frames = torch.randn(2, 3, 64, 32)
    tokens = stem(frames)
    assert tokens.shape == (2, 8, 24)
    torch.testing.assert_close(tokens[0, 3], stem.proj(stem.blocks(frames))[0, :, 1, 1])


def test_folding_changes_the_arithmetic_and_not_the_result() -> None:
    stem, frames = a_stem(), torch.randn(2, 3, 64, 32)
    with torch.no_grad():
        before = stem(frames)
        stem.fold()
        after = stem(frames)
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in stem.modules())


def test_imagenet_weights_are_matched_in_order_whatever_their_names() -> None:
    source, target = a_stem(), MobileNetStem(img_size=(64, 32), patch_size=16, in_chans=3, embed_dim=24)
    named = {f"any.{place}": tensor for place, tensor in enumerate(source.blocks.state_dict().values()) if tensor.ndim}
    load_imagenet(target, named | {"classifier": torch.zeros(3)})
    for (name, want), got in zip(source.blocks.state_dict().items(), target.blocks.state_dict().values(), strict=True):
        assert torch.equal(want, got), name


def test_weights_of_another_network_are_refused() -> None:
    tensors = {f"{place}": torch.zeros(3) for place in range(300)}
    with pytest.raises(ValueError, match="no weights of MobileNetV2"):
        load_imagenet(a_stem(), tensors)
    with pytest.raises(ValueError, match="no weights of MobileNetV2"):
        load_imagenet(a_stem(), {})


def test_another_stride_is_refused() -> None:
    with pytest.raises(ValueError, match="16-pixel tokens of RGB, not 8 of 3 channels"):
        MobileNetStem(img_size=(64, 32), patch_size=8, in_chans=3, embed_dim=24)


def test_weights_of_one_size_start_a_network_of_another() -> None:
    small, large = seeded_network(LIGHT), Vills(replace(LIGHT, height=128, width=64))
    large.load_state_dict(resized(small.state_dict(), LIGHT, large.config))
    before, after = small.state_dict()[POSITIONS], large.state_dict()[POSITIONS]
    assert after.shape[1] == 1 + 8 * 4
    torch.testing.assert_close(after[:, 0], before[:, 0])
    assert torch.equal(resized(small.state_dict(), LIGHT, LIGHT)[POSITIONS], before)


def test_a_clip_of_one_frame_and_of_copies_is_the_image() -> None:
    network = seeded_network(LIGHT).eval()
    image = torch.randint(0, 256, (2, 1, 3, 64, 32), dtype=torch.uint8)
    with torch.no_grad():
        one = network(image, torch.ones(2, 1, dtype=torch.bool))
        four = network(image.expand(-1, 4, -1, -1, -1), torch.ones(2, 4, dtype=torch.bool))
    torch.testing.assert_close(one, four, rtol=0, atol=1e-5)
