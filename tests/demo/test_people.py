from collections import Counter

import numpy as np
import pytest

from service.demo.people import GROUP, Bag, Hair, Lower, Pattern, Upper, cast_people
from service.demo.skeleton import Bone, rest_joints, walking


def test_the_same_seed_gives_the_same_cast_and_another_seed_another() -> None:
    cast = cast_people(9, 3)
    again = cast_people(9, 3)
    assert [(p.build, p.gait, p.outfit) for p in cast] == [(p.build, p.gait, p.outfit) for p in again]
    assert cast_people(9, 4)[0].outfit != cast[0].outfit


def test_a_smaller_cast_is_the_beginning_of_a_larger_one() -> None:
    assert [p.outfit for p in cast_people(5, 3)] == [p.outfit for p in cast_people(24, 3)][:5]


def test_every_set_of_clothes_colours_is_worn_by_four_people() -> None:
    worn = Counter(person.outfit.clothes_colours() for person in cast_people(24, 7))
    assert set(worn.values()) == {GROUP}


@pytest.mark.parametrize("kind", ["upper", "pattern", "lower", "bag", "hair", "top"])
def test_who_shares_colours_differs_in_every_garment_and_in_where_each_colour_is(kind: str) -> None:
    group = [person.outfit for person in cast_people(24, 7)[:GROUP]]
    assert len({getattr(outfit, kind) for outfit in group}) == GROUP


def test_the_cast_wears_everything_there_is() -> None:
    outfits = [person.outfit for person in cast_people(48, 7)]
    assert {outfit.upper for outfit in outfits} == set(Upper)
    assert {outfit.pattern for outfit in outfits} == set(Pattern)
    assert {outfit.lower for outfit in outfits} == set(Lower)
    assert {outfit.bag for outfit in outfits} == set(Bag)
    assert {outfit.hair for outfit in outfits} == set(Hair)


def test_a_cast_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one person, got 0"):
        cast_people(0, 7)


@pytest.mark.parametrize("number", range(6))
def test_bones_keep_their_lengths_and_the_lower_foot_stands_on_the_ground(number: int) -> None:
    person = cast_people(6, 7)[number]
    rest = rest_joints(person.build)
    for moment in np.linspace(0, 2, 9):
        pose = walking(person.build, person.gait, float(moment))
        shank = np.linalg.norm(pose.origins[Bone.FOOT_L] - pose.origins[Bone.SHANK_L])
        assert shank == pytest.approx(np.linalg.norm(rest[Bone.FOOT_L] - rest[Bone.SHANK_L]))
        feet = pose.origins[[Bone.FOOT_L, Bone.FOOT_R], 1]
        assert feet.min() == pytest.approx(rest[Bone.FOOT_L, 1])
        np.testing.assert_allclose(
            pose.turns @ pose.turns.transpose(0, 2, 1), np.tile(np.eye(3), (14, 1, 1)), atol=1e-9
        )


def test_a_walk_repeats_after_one_stride_and_not_before() -> None:
    person = cast_people(1, 7)[0]
    stride_s = 1 / person.gait.strides_hz
    start, half, whole = (walking(person.build, person.gait, s).origins for s in (0.0, stride_s / 2, stride_s))
    np.testing.assert_allclose(start, whole, atol=1e-9)
    assert np.abs(start - half).max() > 0.05
