"""Augmentation: one draw a clip, and geometry that says where everything went."""

from dataclasses import replace

import pytest
import torch

from model.data.augment import AugmentPlan, Views, augment
from model.regions.views import to_original

STILL = AugmentPlan(
    flip=0, scale=(1, 1), shift=0, brightness=0, contrast=0, saturation=0, hue=0, grey=0, blur=0, erase=0
)
CLIP = torch.tensor([0, 0, 0, 1, 1, 2])
HEIGHT, WIDTH = 32, 16


def frames(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (len(CLIP), 3, HEIGHT, WIDTH), generator=generator, dtype=torch.uint8)


def drawn(plan: AugmentPlan, shown: torch.Tensor, seed: int = 3) -> Views:
    return augment(shown, CLIP, plan, torch.Generator().manual_seed(seed))


def test_all_switched_off_changes_nothing() -> None:
    views = drawn(STILL, frames())
    torch.testing.assert_close(views.frames, frames().float(), rtol=0, atol=1e-2)
    identity = torch.tensor([[1.0, 0, 0], [0, 1.0, 0]]).expand(len(CLIP), 2, 3)
    torch.testing.assert_close(views.geometry, identity)


def test_frames_of_a_clip_change_alike_and_clips_differently() -> None:
    alike = frames()[:1].expand(len(CLIP), -1, -1, -1)
    views = drawn(AugmentPlan(erase=0), alike)
    for a, b, same in ((0, 1, True), (1, 2, True), (3, 4, True), (0, 3, False), (3, 5, False)):
        assert torch.equal(views.frames[a], views.frames[b]) is same
        assert torch.equal(views.geometry[a], views.geometry[b]) is same


def test_a_blur_is_a_binomial_one_twice() -> None:
    """A point becomes the outer product of 1 4 6 4 1 with itself; what is even stays, to the edge."""
    points = torch.full((len(CLIP), 3, HEIGHT, WIDTH), 100.0)
    points[:, 1] = 0
    points[:, 1, 9, 7] = 128.0
    blurred = drawn(replace(STILL, blur=1.0), points).frames
    row = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0])
    wanted = torch.zeros(HEIGHT, WIDTH)
    wanted[7:12, 5:10] = row[:, None] * row * 128 / 256
    torch.testing.assert_close(blurred[:, 1], wanted.expand(len(CLIP), -1, -1), rtol=0, atol=1e-2)
    torch.testing.assert_close(blurred[:, 0], points[:, 0], rtol=0, atol=1e-2)


@pytest.mark.parametrize("seed", range(4))
def test_the_geometry_says_which_point_of_the_crop_a_view_shows(seed: int) -> None:
    """Pictures whose colours are their own coordinates, read back through the view."""
    x = ((torch.arange(WIDTH) + 0.5) / WIDTH).expand(HEIGHT, WIDTH)
    y = ((torch.arange(HEIGHT) + 0.5) / HEIGHT)[:, None].expand(HEIGHT, WIDTH)
    places = torch.stack((x, y, torch.ones_like(x))).expand(len(CLIP), -1, -1, -1) * 200
    plan = AugmentPlan(brightness=0, contrast=0, saturation=0, hue=0, grey=0, blur=0, erase=0, scale=(0.5, 0.9))
    views = drawn(plan, places, seed)
    points = torch.stack((x, y), dim=-1).reshape(1, -1, 2).expand(len(CLIP), -1, 2)
    wanted = to_original(points, views.geometry)
    inside = ((wanted > 1 / WIDTH) & (wanted < 1 - 1 / WIDTH)).all(dim=-1)
    found = (views.frames[:, :2] / 200).flatten(2).transpose(1, 2)
    assert inside.float().mean() > 0.5
    torch.testing.assert_close(found[inside], wanted[inside], rtol=0, atol=1e-3)


def test_colours_stay_colours() -> None:
    strong = AugmentPlan(brightness=0.9, contrast=0.9, saturation=0.9, hue=0.5, grey=0.5)
    shown = drawn(strong, frames()).frames
    assert shown.min() >= 0 and shown.max() <= 255 and torch.isfinite(shown).all()


def test_grey_is_grey_and_hue_keeps_grey() -> None:
    grey = drawn(replace(STILL, grey=1), frames()).frames
    torch.testing.assert_close(grey[:, 0], grey[:, 1], rtol=0, atol=1e-3)
    level = torch.full((len(CLIP), 3, HEIGHT, WIDTH), 90.0)
    turned = drawn(replace(STILL, saturation=0.5, hue=0.5), level).frames
    torch.testing.assert_close(turned, level, rtol=0, atol=1e-2)


def test_erasing_is_drawn_for_each_frame_and_hides_about_what_it_says() -> None:
    plan = AugmentPlan(
        flip=0,
        scale=(1, 1),
        shift=0,
        brightness=0,
        contrast=0,
        saturation=0,
        hue=0,
        grey=0,
        blur=0,
        erase=1,
        erase_area=(0.1, 0.2),
    )
    level = torch.full((len(CLIP), 3, HEIGHT, WIDTH), 300.0).clamp(max=255)
    hidden = (drawn(plan, level).frames != level).any(dim=1)
    share = hidden.float().mean(dim=(1, 2))
    assert ((share > 0.03) & (share < 0.3)).all()
    assert not torch.equal(hidden[0], hidden[1])
