"""Who walks: people who differ in everything, in details or in gait alone, and what is known of them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from service.demo.people import (
    Bag,
    Beat,
    Build,
    Colour,
    Gait,
    Hair,
    Lower,
    Outfit,
    Pattern,
    Person,
    Upper,
    cast_people,
    drawn_gait,
)

Vary = Literal["clothes", "details", "gait"]
VARIES: tuple[Vary, ...] = get_args(Vary)

FAMILY = 4  # people alike but for details

# Cycles a second. Below half of the frames a second, and the slowest goes through 3/4 of its cycle in a track.
STRIDES = (0.4, 1.4)  # both legs look alike from afar, so what is seen of them is twice as fast
BEATS = (0.4, 2.6)

BUILD = Build(height=1.72, hip_height=0.87, shoulder=0.38, hips=0.34, girth=1.0)
OUTFIT = Outfit(
    Upper.JACKET_CLOSED, Pattern.SLEEVES, Lower.LEGGINGS, Bag.NONE, Hair.SHORT,
    top=(40, 58, 104), second=(222, 220, 214), bottom=(176, 152, 112), extra=(28, 28, 30),
    shoes=(28, 28, 30), skin=(232, 190, 160), hair_colour=(30, 26, 24),
)  # fmt: skip
GAIT = Gait(
    strides_hz=1.0, phase=0.0, stride=0.5, knee=0.9, swing=0.6, arms_out=0.12, arm_left=0.0, arm_right=0.0,
    elbow_left=0.2, elbow_right=0.2, lean=0.04, tilt=0.0, nod=0.1, sway=0.16, spread=0.5,
)  # fmt: skip


def cast(people: int, seed: int, vary: Vary) -> list[Person]:
    """The first `people` walkers of a seed.

    `clothes`: those of the demo, who differ in build, gait, clothes, bag and hair. `details`: the same in families of
    four, who have build, garments and colours in common; any two of a family differ in pattern, bag and hair, and each
    walks in a way of their own. `gait`: one body in one set of clothes, with one way to move; what differs is how many
    cycles a second the legs, either arm and the trunk go through. Since all four start anywhere in every track, a
    single picture of any of them is as likely as of any other. Uneven steps would show in how often each pose is seen,
    in whatever order, so nobody limps.

    Raises:
        ValueError: fewer than one person.
    """
    if vary == "clothes":
        return cast_people(people, seed)
    if vary == "details":
        return _families(people, seed)
    if people < 1:
        raise ValueError(f"a cast needs at least one person, got {people}")
    return [Person(number + 1, BUILD, _gait(beats), OUTFIT) for number, beats in enumerate(_spread(people, 4, seed))]


def _families(people: int, seed: int) -> list[Person]:
    rng = np.random.default_rng([seed, 6])
    members: list[Person] = []
    for head in cast_people(-(-people // FAMILY), seed):
        deals = [rng.permutation(np.array(list(kind), dtype=object))[:FAMILY] for kind in (Pattern, Bag, Hair)]
        for pattern, bag, hair in zip(*deals, strict=True):
            outfit = replace(head.outfit, pattern=pattern, bag=bag, hair=hair)
            members.append(Person(len(members) + 1, head.build, drawn_gait(rng, head.build, bag), outfit))
    return members[:people]


def restarted(gait: Gait, rng: np.random.Generator) -> Gait:
    """The same gait from another moment on: where a track begins says nothing of the person."""
    legs, left, right, trunk = rng.uniform(0, 2 * np.pi, 4)
    return replace(
        gait,
        phase=legs,
        arm_left_beat=_from(gait.arm_left_beat, left),
        arm_right_beat=_from(gait.arm_right_beat, right),
        trunk_beat=_from(gait.trunk_beat, trunk),
    )


def attributes(person: Person, vary: Vary) -> Mapping[str, str]:
    """What is known of a person, by column: metres, cycles a second, names, and colours as #rrggbb."""
    return _tempi(person.gait) if vary == "gait" else _looks(person)


def _tempi(gait: Gait) -> Mapping[str, str]:
    beats = {"legs": gait.legs_beat, "arm_left": gait.arm_left_beat, "arm_right": gait.arm_right_beat}
    beats["trunk"] = gait.trunk_beat
    return {f"{name}_hz": f"{(beat or gait.legs_beat).hz:.3f}" for name, beat in beats.items()}


def _looks(person: Person) -> Mapping[str, str]:
    build, outfit = person.build, person.outfit
    kinds = {name: getattr(outfit, name).name.lower() for name in ("upper", "pattern", "lower", "bag", "hair")}
    colours = {f"{name}_colour": _hex(getattr(outfit, name)) for name in ("top", "second", "bottom", "extra")}
    colours |= {f"{name}_colour": _hex(getattr(outfit, name)) for name in ("shoes", "skin")}
    size = {"height": f"{build.height:.2f}", "girth": f"{build.girth:.2f}", "legs_hz": f"{person.gait.strides_hz:.3f}"}
    return size | kinds | colours | {"hair_colour": _hex(outfit.hair_colour)}


def _hex(colour: Colour) -> str:
    return "#" + bytes(colour).hex()


def _gait(beats: npt.NDArray[np.float64]) -> Gait:
    legs = STRIDES[0] + (STRIDES[1] - STRIDES[0]) * beats[0]
    left, right, trunk = (Beat(float(BEATS[0] + (BEATS[1] - BEATS[0]) * beat), 0.0) for beat in beats[1:])
    return replace(GAIT, strides_hz=float(legs), arm_left_beat=left, arm_right_beat=right, trunk_beat=trunk)


def _from(beat: Beat | None, phase: float) -> Beat | None:
    return None if beat is None else Beat(beat.hz, phase)


def _spread(points: int, axes: int, seed: int) -> npt.NDArray[np.float64]:
    """Points in the unit cube, (points, axes), any stretch of them evenly spread: no two people walk nearly alike.

    The additive recurrence of the generalised golden ratio (Roberts, 2018), from a start that the seed draws.
    """
    ratio = 2.0
    for _ in range(50):  # the root of x^(axes + 1) = x + 1
        ratio = (1 + ratio) ** (1 / (axes + 1))
    steps = ratio ** -np.arange(1.0, axes + 1)
    start = np.random.default_rng([seed, 4]).uniform(size=axes)
    return np.asarray((start + np.arange(points)[:, None] * steps) % 1)
