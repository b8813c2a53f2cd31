"""Geometry of views: round trips, and warped masks against a literal loop."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.regions.errors import BadRegions
from model.regions.views import between, inverse, seen_share, to_original, to_view, warp_masks
from tests.regions.boxes import Box, view

# Off the round numbers, so that no sample falls on the very edge of the original, where it may count as in or out.
SHARE = st.integers(-5, 15).map(lambda n: n / 16 + 0.00317)
SIZE = st.integers(3, 20).map(lambda n: n / 16 + 0.0021)
BOX = st.tuples(SHARE, SHARE, SIZE, SIZE)


def random_points(count: int, seed: int = 0) -> Tensor:
    return torch.rand(1, count, 2, generator=torch.Generator().manual_seed(seed))


def random_masks(regions: int = 2, rows: int = 8, columns: int = 4, seed: int = 0) -> Tensor:
    return torch.rand(1, regions, rows, columns, generator=torch.Generator().manual_seed(seed))


def literal(mask: Tensor, geometry: Tensor, grid: tuple[int, int], samples: int) -> tuple[Tensor, Tensor]:
    """(h, w), (2, 3) to weights and shown (down, across), read off one sample after the other."""
    rows, columns = mask.shape
    weights, shown = torch.zeros(grid), torch.zeros(grid)
    for row in range(grid[0] * samples):
        for column in range(grid[1] * samples):
            place = torch.tensor([(column + 0.5) / (grid[1] * samples), (row + 0.5) / (grid[0] * samples), 1.0])
            x, y = (geometry @ place).tolist()
            if not (0 <= x <= 1 and 0 <= y <= 1):
                continue
            left, top = x * columns - 0.5, y * rows - 0.5
            value = 0.0
            for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
                r, c = math.floor(top) + i, math.floor(left) + j
                share = (1 - abs(top - r)) * (1 - abs(left - c))
                value += share * float(mask[min(max(r, 0), rows - 1), min(max(c, 0), columns - 1)])
            weights[row // samples, column // samples] += value / samples**2
            shown[row // samples, column // samples] += 1 / samples**2
    return weights, shown


@settings(deadline=None, max_examples=50)
@given(BOX, st.booleans())
def test_points_go_to_the_view_and_back(box: Box, mirrored: bool) -> None:
    geometry, points = view(box, mirrored), random_points(6)
    assert torch.allclose(to_original(to_view(points, geometry), geometry), points, atol=1e-4)
    assert torch.allclose(to_view(to_original(points, geometry), geometry), points, atol=1e-4)
    assert torch.allclose(inverse(inverse(geometry)), geometry, atol=1e-4)


@settings(deadline=None, max_examples=50)
@given(BOX, st.booleans())
def test_corners_of_a_view_are_the_corners_of_its_box(box: Box, mirrored: bool) -> None:
    left, top, width, height = box
    corners = to_original(torch.tensor([[[0.0, 0.0], [1.0, 1.0]]]), view(box, mirrored))[0]
    x = [left + width, left] if mirrored else [left, left + width]
    expected = torch.tensor([[x[0], top], [x[1], top + height]])
    assert torch.allclose(corners, expected, atol=1e-5)


@settings(deadline=None, max_examples=30)
@given(BOX, st.booleans(), st.sampled_from([1, 2, 3]))
def test_warping_against_a_literal_loop(box: Box, mirrored: bool, samples: int) -> None:
    masks, geometry, grid = random_masks(), view(box, mirrored), (5, 3)
    weights, shown = warp_masks(masks, geometry, grid, samples=samples)
    assert weights.shape == (1, 2, 5, 3) and shown.shape == (1, 5, 3)
    for region in range(2):
        expected, inside = literal(masks[0, region], geometry[0], grid, samples)
        assert torch.allclose(shown[0], inside, atol=1e-5)
        assert torch.allclose(weights[0, region], expected, atol=1e-4)


def test_the_whole_view_is_the_mask_itself_and_a_flip_mirrors_it() -> None:
    masks = random_masks()
    whole, shown = warp_masks(masks, view((0, 0, 1, 1)), (8, 4), samples=1)
    assert torch.allclose(whole, masks, atol=1e-6) and (shown == 1).all()
    flipped, _ = warp_masks(masks, view((0, 0, 1, 1), mirrored=True), (8, 4), samples=1)
    assert torch.allclose(flipped, masks.flip(-1), atol=1e-6)


def test_a_crop_shows_its_cells_and_nothing_outside() -> None:
    masks = random_masks()
    weights, _ = warp_masks(masks, view((0.5, 0.25, 0.5, 0.5)), (4, 2), samples=1)
    assert torch.allclose(weights, masks[:, :, 2:6, 2:], atol=1e-6)
    weights, shown = warp_masks(torch.ones(1, 1, 8, 4), view((-0.5, 0.0, 1.0, 1.0)), (8, 4))
    assert shown[0].tolist() == [[0, 0, 1, 1]] * 8 and torch.equal(weights[:, 0], shown)


@settings(deadline=None, max_examples=30)
@given(BOX, st.booleans(), BOX, st.booleans())
def test_from_view_to_view(box: Box, mirrored: bool, other: Box, turned: bool) -> None:
    source, target, points = view(box, mirrored), view(other, turned), random_points(5)
    through_original = to_view(to_original(points, target), source)
    assert torch.allclose(to_original(points, between(source, target)), through_original, atol=1e-3)


def test_a_region_found_in_one_view_covers_the_same_surface_in_the_other() -> None:
    source, target = view((0.1, 0.0, 0.8, 0.7)), view((0.0, 0.1, 0.9, 0.8), mirrored=True)
    y, x = torch.meshgrid((torch.arange(32) + 0.5) / 32, (torch.arange(16) + 0.5) / 16, indexing="ij")
    spot = torch.exp(-((x - 0.45) ** 2 + (y - 0.4) ** 2) / 0.01)[None, None]  # on the original
    in_source, _ = warp_masks(spot, source, (32, 16))
    in_target, _ = warp_masks(spot, target, (32, 16))
    carried, _ = warp_masks(in_source, between(source, target), (32, 16))
    assert (carried - in_target).abs().max() < 0.06
    assert in_target.amax() > 0.8


def test_how_much_of_a_region_is_seen() -> None:
    masks = torch.zeros(1, 3, 16, 8)
    masks[0, 0, :8], masks[0, 1, 8:] = 1, 1  # upper half, lower half, and one that is empty
    geometry = view((0.0, 0.0, 1.0, 0.75), mirrored=True)
    warped, _ = warp_masks(masks, geometry, (12, 8), samples=1)
    assert np.allclose(seen_share(masks, warped, geometry)[0], [1, 0.5, 0], atol=1e-5)


def test_refusals() -> None:
    with pytest.raises(BadRegions, match="larger box"):
        inverse(view((0, 0, 1, 0)))
    with pytest.raises(BadRegions, match="one matrix a view"):
        warp_masks(random_masks(), torch.zeros(2, 2, 3), (4, 2))
