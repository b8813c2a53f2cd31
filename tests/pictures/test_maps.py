"""Attention maps: the weights that the network itself uses, drawn where they belong."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from model.pictures.maps import (
    HEAT,
    HEIGHT,
    VEIL,
    AttentionMaps,
    attention_maps,
    draw_maps,
    overlaid,
    place_of,
    sheet_size,
)
from tests.model.small import SMALL, as_tensor, random_clips, small_network

DOWN, ACROSS = SMALL.grid
SHOWN = (HEIGHT, HEIGHT * SMALL.width // SMALL.height)


def test_the_maps_are_the_weights_of_the_unfused_last_block_and_of_the_parts() -> None:
    network, crops = small_network(), random_clips(3, 1)[:, 0]
    maps = attention_maps(network, crops)
    assert maps.whole.shape == (3, DOWN, ACROSS) and maps.parts.shape == (3, SMALL.parts, DOWN, ACROSS)
    seen: list[torch.Tensor] = []
    last: Any = network.trunk.blocks[-1].attn
    last.fused_attn = False
    last.attn_drop.register_forward_hook(lambda _, __, out: seen.append(out))
    network.parts.register_forward_hook(lambda part, inputs, _: seen.append(part.attention(*inputs)))
    with torch.inference_mode():
        network(as_tensor(crops[:, None]), torch.ones(3, 1, dtype=torch.bool))
    weights, parts = seen
    patches = weights.mean(dim=1)[:, 0, 1:]  # of [CLS], without itself
    want = (patches / patches.sum(dim=1, keepdim=True)).reshape(3, DOWN, ACROSS).numpy()
    np.testing.assert_allclose(maps.whole, want, atol=1e-6)
    np.testing.assert_allclose(maps.parts, parts.reshape(3, SMALL.parts, DOWN, ACROSS).numpy(), atol=1e-6)
    np.testing.assert_allclose(maps.of(1).sum(axis=(1, 2)), 1, atol=1e-5)


def test_looking_changes_nothing() -> None:
    network, crops = small_network(), random_clips(2, 1)[:, 0]
    before = crops.copy()
    first = attention_maps(network, crops)
    again = attention_maps(network, crops[1:])
    assert np.array_equal(crops, before)
    np.testing.assert_allclose(again.whole[0], first.whole[1], atol=1e-6)
    last: Any = network.trunk.blocks[-1].attn
    assert not last._forward_pre_hooks


def one_hot(place: tuple[int, int]) -> npt.NDArray[np.float32]:
    values = np.zeros((DOWN, ACROSS), np.float32)
    values[place] = 1
    return values


def middle(place: tuple[int, int]) -> tuple[int, int]:
    """Row and column of a patch's centre in a crop as it is drawn."""
    return int((place[0] + 0.5) * SHOWN[0] / DOWN), int((place[1] + 0.5) * SHOWN[1] / ACROSS)


@pytest.mark.parametrize("place", [(0, 0), (1, 1), (3, 0)])
def test_colour_lies_where_attention_does(place: tuple[int, int]) -> None:
    grey = Image.new("RGB", SHOWN[::-1], (100, 100, 100))
    # The largest value of a map has the full colour, whatever it is.
    drawn = np.asarray(overlaid(grey, one_hot(place) * np.float32(0.2)), np.float32)
    want = 100 * (1 - VEIL) + HEAT * VEIL
    np.testing.assert_allclose(drawn[middle(place)], want[-1], atol=12)
    far = middle((DOWN - 1 - place[0], ACROSS - 1 - place[1]))
    np.testing.assert_allclose(drawn[far], want[0], atol=2)
    brightest = np.unravel_index(drawn.sum(axis=2).argmax(), drawn.shape[:2])
    np.testing.assert_allclose(brightest, middle(place), atol=SHOWN[1] / ACROSS / 2)


def test_a_sheet_has_a_line_a_crop_and_a_column_a_map(tmp_path: Path) -> None:
    crops = np.zeros((2, SMALL.height, SMALL.width, 3), np.uint8)
    crops[0, ..., 0], crops[1, ..., 2] = 200, 200
    whole = np.stack([one_hot((0, 0)), one_hot((3, 1))])
    parts = np.stack([[one_hot((1, 0)), one_hot((2, 0))], [one_hot((1, 1)), one_hot((2, 1))]])
    out = tmp_path / "maps.png"
    draw_maps(out, crops, AttentionMaps(whole, parts), ["red", "a-name-that-is-longer-than-its-crop-is-wide.png"])
    with Image.open(out) as picture:
        assert picture.size == sheet_size(2, 4, SHOWN)
        sheet = np.asarray(picture, np.float32)
    for line, colour in enumerate([(200, 0, 0), (0, 0, 200)]):
        left, top = place_of(line, 0, SHOWN)
        np.testing.assert_array_equal(sheet[top + 5, left + 5], colour)
        for column, values in enumerate([whole[line], *parts[line]], 1):
            left, top = place_of(line, column, SHOWN)
            drawn = sheet[top : top + SHOWN[0], left : left + SHOWN[1]].sum(axis=2)
            row, across = np.argwhere(values == 1)[0]
            brightest = np.unravel_index(drawn.argmax(), drawn.shape)
            np.testing.assert_allclose(brightest, middle((int(row), int(across))), atol=SHOWN[1] / ACROSS / 2)
