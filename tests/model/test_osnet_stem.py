"""The OSNet stem computes what the published network computes, and refuses others."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.layers.osnet_stem import Head, OsnetStem
from model.layers.osnet_weights import load_onnx
from model.vills.config import IMAGENET_MEAN, IMAGENET_STD
from model.vills.resizing import PLACES, resized
from model.vills.seeding import seeded_network
from tests.model.onnx_bytes import mean_colour_network
from tests.model.shared_files import shared_file
from tests.model.small import SMALL

LAST_MAP = "model/tf.nn.relu_98/Relu:0"  # of retail-0248, before its head


def a_stem(height: int = 64, width: int = 32) -> OsnetStem:
    torch.manual_seed(4)
    return OsnetStem(img_size=(height, width), patch_size=16, in_chans=3, embed_dim=24).eval()


def test_tokens_are_the_grid_row_after_row() -> None:
    stem = a_stem()
    assert stem.grid_size == (4, 2) and stem.num_patches == 8
    frames = torch.randn(2, 3, 64, 32)
    tokens = stem(frames)
    assert tokens.shape == (2, 8, 24)
    torch.testing.assert_close(tokens[0, 3], stem.proj(stem.blocks(frames))[0, :, 1, 1])


def test_tokens_are_the_same_with_the_descriptor_and_without() -> None:
    stem, frames = a_stem(), torch.randn(2, 3, 64, 32)
    tokens, descriptor = stem.both(frames)
    torch.testing.assert_close(tokens, stem(frames))
    assert descriptor.shape == (2, 256)


def test_light_and_contrast_of_the_whole_picture_make_no_difference() -> None:
    stem, frames = a_stem(), torch.randn(2, 3, 64, 32)
    torch.testing.assert_close(stem(frames), stem(0.5 * frames + 3), rtol=1e-3, atol=1e-4)


def test_every_parameter_has_a_gradient() -> None:
    stem = a_stem()
    tokens, descriptor = stem.both(torch.randn(4, 3, 64, 32))
    torch.autograd.backward((tokens, descriptor), (torch.randn(4, 8, 24), torch.randn(4, 256)))
    assert [name for name, parameter in stem.named_parameters() if parameter.grad is None] == []


def test_it_computes_what_the_published_network_computes() -> None:
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    file = shared_file("models/retail-0248.onnx")
    model = onnx.load(file)
    model.graph.output.append(onnx.helper.make_tensor_value_info(LAST_MAP, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    picture = np.random.default_rng(0).integers(0, 256, (1, 256, 128, 3)).astype(np.float32)
    want, said = session.run([LAST_MAP, "Identity:0"], {"inputs:0": picture[..., ::-1].copy()})  # it takes BGR
    stem = a_stem(256, 128)
    load_onnx(stem, file)
    fed = (torch.from_numpy(picture) / 255 - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_STD)
    with torch.no_grad():
        got = stem.blocks(fed.permute(0, 3, 1, 2))
        descriptor = stem.both(fed.permute(0, 3, 1, 2))[1]
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(descriptor.numpy(), said, rtol=1e-4, atol=1e-4)


def test_a_head_read_for_a_smaller_grid_weighs_as_much() -> None:
    pytest.importorskip("onnx")
    whole, small = a_stem(256, 128), a_stem(128, 64)
    for stem in (whole, small):
        load_onnx(stem, shared_file("models/retail-0248.onnx"))
    assert isinstance(whole.head, Head) and isinstance(small.head, Head)
    assert small.head.places.shape == (128, 8, 4)
    torch.testing.assert_close(small.head.places.sum((1, 2)), whole.head.places.sum((1, 2)))


def test_weights_of_one_size_start_a_network_of_another() -> None:
    small = seeded_network(replace(SMALL, stem="osnet", patch=16, height=64, width=32))
    large = seeded_network(replace(small.config, height=128, width=64))
    large.load_state_dict(resized(small.state_dict(), small.config, large.config))
    before, after = small.state_dict()[PLACES], large.state_dict()[PLACES]
    assert after.shape[1:] == (8, 4)
    torch.testing.assert_close(after.sum((1, 2)), before.sum((1, 2)))


def test_other_networks_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    other, broken = tmp_path / "other.onnx", tmp_path / "broken.onnx"
    other.write_bytes(mean_colour_network([1, 3, 64, 32]))
    broken.write_bytes(b"no network at all")
    with pytest.raises(ValueError, match=r"no OSNet x0\.25"):
        load_onnx(a_stem(), other)
    with pytest.raises(ValueError, match="no ONNX file"):
        load_onnx(a_stem(), broken)
    with pytest.raises(OSError, match="nowhere"):
        load_onnx(a_stem(), tmp_path / "nowhere.onnx")


def test_a_network_of_other_widths_is_refused() -> None:
    pytest.importorskip("onnx")
    with pytest.raises(ValueError, match=r"a convolution of|no OSNet x0\.25"):
        load_onnx(a_stem(), shared_file("models/retail-0287.onnx"))
