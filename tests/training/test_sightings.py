"""The same regions in several sightings, where colours of patches and places of limbs tell what each one shows."""

import pytest
import torch
from torch import Tensor

from model.regions.limbs import Limb, draw_points
from model.training.sightings import LEAST_SEEN, Sightings, affinity_sightings, pose_sightings
from tests.regions.boxes import Box, view
from tests.regions.figures import figure

WHOLE = view((0, 0, 1, 1))
PADDING = -1
GRID = (8, 4)  # of the crop's colours, and of patches
# What each cell of a crop shows, and of the next frame's crop: the person has moved a column to the right.
FIRST = torch.tensor([[row // 2 * 2 + column // 2 for column in range(4)] for row in range(8)])
LATER = FIRST.roll(1, dims=1)


def shown(crop: Tensor, geometry: Tensor) -> Tensor:
    """What each patch of a view shows, read off at its middle: (8, 4) colours of a crop -> (8, 4)."""
    down, across = GRID
    colours = torch.full(GRID, PADDING)
    for row in range(down):
        for column in range(across):
            place = torch.tensor([(column + 0.5) / across, (row + 0.5) / down, 1.0])
            x, y = (geometry[0] @ place).tolist()
            if 0 <= x < 1 and 0 <= y < 1:
                colours[row, column] = crop[int(y * down), int(x * across)]
    return colours


def tokens_of(colours: Tensor) -> Tensor:
    """(8, 4) -> (1, L, 32): a direction of its own for each colour, and for padding."""
    return torch.eye(32)[colours.flatten()][None]


def seen_by_affinity(first: Tensor, second: Tensor, third: Tensor, *, points: int = 12, seed: int = 0) -> Sightings:
    """Of one track: two views of the frame FIRST and one of LATER; four parts."""
    geometry = torch.stack((first, second, third))
    crops = (FIRST, FIRST, LATER)
    tokens = torch.stack([tokens_of(shown(crop, way)) for crop, way in zip(crops, geometry, strict=True)])
    generator = torch.Generator().manual_seed(seed)
    return affinity_sightings(tokens, geometry, GRID, points=points, parts=4, generator=generator)


def colours_under(weights: Tensor, colours: Tensor) -> set[int]:
    """Of a region (L,), the colours of patches that belong to it more than not."""
    return set(colours.flatten()[weights > 0.5].tolist())


VIEWS: list[tuple[Box, bool]] = [
    ((0, 0, 1, 1), False),
    ((0, 0, 1, 1), True),
    ((0.25, -0.25, 1, 1), False),
    ((-0.25, 0.25, 1, 1), True),
    ((0.25, 0.25, 0.5, 0.5), True),
]


@pytest.mark.parametrize(("box", "mirrored"), VIEWS)
@pytest.mark.parametrize(("other_box", "other_mirrored"), VIEWS)
def test_a_region_has_the_same_colour_in_every_view_and_frame(
    box: Box, mirrored: bool, other_box: Box, other_mirrored: bool
) -> None:
    first, second = view(box, mirrored), view(other_box, other_mirrored)
    colours = [shown(FIRST, first), shown(FIRST, second), shown(LATER, first)]
    weights = seen_by_affinity(first, second, first).weights[:, 0]  # (S, R, L)
    for sighting, seen in enumerate(colours):
        assert not weights[sighting][:, (seen == PADDING).flatten()].any(), "padding is nobody's region"
    for region in weights.unbind(dim=1):
        asked = colours_under(region[0], colours[0])
        assert len(asked) == 1 and PADDING not in asked
        for sighting in (1, 2):
            assert colours_under(region[sighting], colours[sighting]) <= asked
        # In the other frame it is looked for: all of that colour, and nothing where the view has none of it.
        [colour] = asked
        assert torch.equal(region[2] > 0.5, (colours[2] == colour).flatten())


@pytest.mark.parametrize(("box", "mirrored"), VIEWS)
def test_from_the_whole_crop_all_that_a_view_shows_of_a_region_is_found(box: Box, mirrored: bool) -> None:
    second = view(box, mirrored)
    colours = shown(FIRST, second)
    weights = seen_by_affinity(WHOLE, second, WHOLE).weights[:, 0]
    for region in weights.unbind(dim=1):
        [colour] = colours_under(region[0], FIRST)
        assert torch.equal(region[1] > 0.5, (colours == colour).flatten())


def test_a_region_of_which_a_view_shows_a_sliver_is_not_to_be_seen_there() -> None:
    """Regions are two rows high, and the view is moved up: it shows less and less of the lowest ones."""
    for top, share in ((0.0, 1.0), (-0.125, 0.5), (-0.25 + 1 / 32, 0.125), (-0.25, 0.0), (-0.5, 0.0)):
        seen = seen_by_affinity(WHOLE, view((0, top, 1, 1)), WHOLE)
        lowest = seen.parts[0, 0, 3]
        assert lowest == 3 and seen.parts[2, 0, 3] == 3
        assert (seen.weights[1, 0, 3].sum() > 0) == (share >= LEAST_SEEN), share
        assert (seen.parts[1, 0, 3] == 3) == (share >= LEAST_SEEN), share


def test_a_part_follows_the_region_of_its_band() -> None:
    seen = seen_by_affinity(WHOLE, WHOLE, WHOLE)
    assert seen.parts.tolist() == 3 * [[[0, 1, 2, 3]]]
    for part, region in enumerate(seen.weights[0, 0, :4]):
        assert colours_under(region, FIRST) <= {2 * part, 2 * part + 1}


@pytest.mark.parametrize("box", [(0.25, 0, 1, 1), (-0.25, 0.25, 1, 1), (0, 0.25, 0.5, 0.5)])
@pytest.mark.parametrize("mirrored", [True, False])
def test_prompts_lie_anywhere_on_what_is_shown_and_never_in_the_padding(box: Box, mirrored: bool) -> None:
    """The crop's outer columns have colours of their own here: nobody stands there, so nothing is asked of them."""
    crop = torch.arange(32).view(GRID) % 31
    geometry = view(box, mirrored)
    colours = shown(crop, geometry)
    tokens = tokens_of(colours).expand(3, 1, -1, -1)
    ways = torch.stack((geometry,) * 3)
    asked: set[int] = set()
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        seen = affinity_sightings(tokens, ways, GRID, points=8, parts=4, generator=generator)
        asked |= set().union(*(colours_under(region, colours) for region in seen.weights[0, 0]))
    middle = set(crop[:, 1:3].flatten().tolist())
    assert asked == set(colours.flatten().tolist()) & middle


def test_a_view_of_padding_alone_has_no_regions() -> None:
    seen = seen_by_affinity(view((1.5, 0, 1, 1)), WHOLE, WHOLE)
    assert not seen.weights[0].any() and not seen.weights[1].any()
    assert (seen.parts == -1).all()


FINE = (32, 16)
MOVED = (2, 1)  # columns and rows by which the person has moved in the other frame
POINTS = 5


def bodies() -> tuple[Tensor, Tensor]:
    """Keypoints (2, 1, 33, 3) and masks (2, 1, 32, 16) of a person who moves by MOVED."""
    columns, rows = MOVED
    shift = (columns / FINE[1], rows / FINE[0])
    keypoints = torch.stack((figure(scale=0.7), figure(shift, 0.7)))
    mask = torch.zeros(1, *FINE, dtype=torch.uint8)
    mask[:, 4:28, 3:13] = 255
    return keypoints, torch.stack((mask, mask.roll((rows, columns), dims=(1, 2))))


def seen_by_pose(second: Tensor, *, keypoints: Tensor | None = None, parts: int = 6) -> Sightings:
    """Of one track: the whole anchor frame, another view of it, and the whole other frame."""
    points, masks = bodies()
    geometry = torch.stack((WHOLE, second, WHOLE))
    generator = torch.Generator().manual_seed(4)
    points = points if keypoints is None else keypoints
    return pose_sightings(points, masks, geometry, FINE, points=POINTS, parts=parts, generator=generator)


def test_limbs_and_spots_go_along_with_the_person_into_the_other_frame() -> None:
    seen = seen_by_pose(WHOLE).weights.view(3, len(Limb) + POINTS, *FINE)
    anchor, _, other = seen
    assert (anchor.amax(dim=(1, 2)) > 0.3).all()
    torch.testing.assert_close(other, anchor.roll((MOVED[1], MOVED[0]), dims=(1, 2)), rtol=0, atol=1e-3)
    assert not torch.equal(other, anchor)


def test_limbs_and_spots_are_found_where_a_mirrored_and_shifted_view_shows_them() -> None:
    """The view's column j shows the crop's column 13 - j, and its row i the row i + 2."""
    seen = seen_by_pose(view((-2 / 16, 2 / 32, 1, 1), mirrored=True)).weights.view(3, len(Limb) + POINTS, *FINE)
    wanted = torch.zeros_like(seen[0])
    wanted[:, :30, :14] = seen[0][:, 2:, :14].flip(2)
    torch.testing.assert_close(seen[1], wanted, rtol=0, atol=1e-5)
    assert not torch.equal(seen[1], seen[0])


def test_spots_lie_where_the_drawn_points_do() -> None:
    _, masks = bodies()
    prompts = draw_points(masks[0], POINTS, torch.Generator().manual_seed(4)).points[0]
    spots = seen_by_pose(WHOLE).weights[0, 0, len(Limb) :].view(POINTS, *FINE)
    for (x, y), spot in zip(prompts.tolist(), spots, strict=True):
        assert spot[int(y * FINE[0]), int(x * FINE[1])] > 0.8 * spot.max()


def test_a_limb_that_left_the_view_is_no_region_of_it_and_no_part_follows_it() -> None:
    upper_half = seen_by_pose(view((0, 0, 1, 0.45)))
    assert upper_half.weights[0, 0, : len(Limb)].any(dim=1).all()
    gone = {limb for limb in Limb if not upper_half.weights[1, 0, limb].any()}
    assert gone == {Limb.THIGH_LEFT, Limb.THIGH_RIGHT, Limb.SHIN_LEFT, Limb.SHIN_RIGHT}
    assert upper_half.parts[1, 0].tolist() == [Limb.HEAD, Limb.TORSO, -1, -1, -1, -1]


def test_a_part_follows_the_limb_of_its_height_that_is_seen_best() -> None:
    """Four heights of a person; further queries follow nothing."""
    keypoints = bodies()[0].clone()
    assert seen_by_pose(WHOLE).parts[0, 0].tolist()[:2] == [Limb.HEAD, Limb.TORSO]
    keypoints[0, :, [25, 27, 31], 2] = 0.0  # the left knee, ankle and toes of the anchor frame
    keypoints[1, :, [26, 28, 32], 2] = 0.0  # and the right ones of the other
    parts = seen_by_pose(view((0, 0, 1, 1), mirrored=True), keypoints=keypoints).parts[:, 0]
    right = [Limb.HEAD, Limb.TORSO, Limb.THIGH_RIGHT, Limb.SHIN_RIGHT, -1, -1]
    left = [Limb.HEAD, Limb.TORSO, Limb.THIGH_LEFT, Limb.SHIN_LEFT, -1, -1]
    assert parts.tolist() == [right, right, left]


@pytest.mark.gpu
def test_a_seed_means_the_same_on_a_device() -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    keypoints, masks = bodies()
    geometry = torch.stack((WHOLE, view((0, 0, 1, 1), mirrored=True), WHOLE))
    tokens = torch.stack([tokens_of(shown(FIRST, way)) for way in geometry])
    for seed in range(3):
        told = []
        for device in ("cpu", "cuda"):
            generator = torch.Generator().manual_seed(seed)
            ways, drawn = geometry.to(device), (keypoints.to(device), masks.to(device))
            told += [pose_sightings(*drawn, ways, FINE, points=POINTS, parts=4, generator=generator)]
            told += [affinity_sightings(tokens.to(device), ways, GRID, points=POINTS, parts=4, generator=generator)]
        for here, there in ((told[0], told[2]), (told[1], told[3])):
            torch.testing.assert_close(there.weights.cpu(), here.weights, rtol=0, atol=1e-4)
            assert torch.equal(there.parts.cpu(), here.parts)
