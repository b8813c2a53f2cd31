"""The cast of the demo: who walks, how they are built, how they move, what they wear.

Clothes colours are dealt to groups of four: all four wear the same colours, each on other garments, so
that colour alone does not tell them apart.
"""

from dataclasses import dataclass, field
from enum import Enum, auto

import numpy as np

Colour = tuple[int, int, int]
GROUP = 4  # people who share one set of clothes colours


class Upper(Enum):
    TSHIRT = auto()
    LONG_SLEEVE = auto()
    JACKET_OPEN = auto()
    JACKET_CLOSED = auto()
    COAT = auto()
    GILET = auto()
    HOODIE = auto()
    DRESS = auto()


class Pattern(Enum):
    PLAIN = auto()
    STRIPES = auto()
    PINSTRIPES = auto()
    YOKE = auto()
    BAND = auto()
    LOGO = auto()
    CHECKS = auto()
    SLEEVES = auto()


class Lower(Enum):
    TROUSERS = auto()
    WIDE = auto()
    SHORTS = auto()
    SKIRT = auto()
    LONG_SKIRT = auto()
    LEGGINGS = auto()


class Bag(Enum):
    NONE = auto()
    BACKPACK = auto()
    SHOULDER = auto()
    SUITCASE = auto()
    HANDBAG = auto()


class Hair(Enum):
    SHORT = auto()
    LONG = auto()
    BUN = auto()
    BALD = auto()
    CAP = auto()
    BEANIE = auto()


@dataclass(frozen=True, slots=True)
class Build:
    """Lengths in metres; girth scales every thickness."""

    height: float
    hip_height: float
    shoulder: float
    hips: float
    girth: float


@dataclass(frozen=True, slots=True)
class Beat:
    """What keeps a time of its own: cycles a second, and the phase at the start in radians."""

    hz: float
    phase: float

    def at(self, seconds: float) -> float:
        """Phase in radians."""
        return 2 * np.pi * self.hz * seconds + self.phase


@dataclass(frozen=True, slots=True)
class Gait:
    """Angles in radians, phase included. Arms and trunk keep the time of the legs where they have no beat."""

    strides_hz: float
    phase: float
    stride: float
    knee: float
    swing: float
    arms_out: float
    arm_left: float
    arm_right: float
    elbow_left: float
    elbow_right: float
    lean: float
    tilt: float
    nod: float
    sway: float = 0.0  # of the trunk, to either side
    spread: float = 0.0  # of the arms, away from the body as they swing back
    arm_left_beat: Beat | None = None
    arm_right_beat: Beat | None = None
    trunk_beat: Beat | None = None

    @property
    def legs_beat(self) -> Beat:
        return Beat(self.strides_hz, self.phase)


@dataclass(frozen=True, slots=True)
class Outfit:
    """Garments and the colour of each; `second` is what a pattern, or a shirt under a jacket, adds."""

    upper: Upper
    pattern: Pattern
    lower: Lower
    bag: Bag
    hair: Hair
    top: Colour
    second: Colour
    bottom: Colour
    extra: Colour  # bag, or hat and shoes of those without one
    shoes: Colour
    skin: Colour
    hair_colour: Colour

    def clothes_colours(self) -> tuple[Colour, ...]:
        """The colours worn, sorted: equal for all members of a group."""
        return tuple(sorted((self.top, self.second, self.bottom, self.extra)))


@dataclass(frozen=True, slots=True)
class Person:
    """One walker of the cast."""

    number: int
    build: Build
    gait: Gait
    outfit: Outfit = field(compare=False)

    @property
    def name(self) -> str:
        """The id in file names and the manifest, e.g. `p007`."""
        return f"p{self.number:03d}"


CLOTH: tuple[Colour, ...] = (
    (34, 36, 42),  # black
    (222, 220, 214),  # white
    (128, 130, 134),  # grey
    (40, 58, 104),  # navy
    (92, 124, 168),  # denim
    (168, 44, 42),  # red
    (176, 152, 112),  # beige
    (62, 92, 62),  # green
    (206, 164, 52),  # mustard
    (112, 66, 104),  # plum
    (196, 112, 58),  # rust
    (60, 130, 134),  # teal
    (206, 148, 158),  # rose
    (92, 68, 52),  # brown
)
SKIN: tuple[Colour, ...] = ((232, 190, 160), (198, 146, 112), (140, 94, 68), (92, 62, 48))
HAIR: tuple[Colour, ...] = ((30, 26, 24), (74, 50, 34), (156, 118, 70), (138, 136, 134))
SHOES: tuple[Colour, ...] = ((28, 28, 30), (214, 212, 208), (96, 66, 44))

# Who of a group wears which of its four colours as top, second, bottom, extra.
_WEARS = ((0, 1, 2, 3), (2, 3, 0, 1), (1, 0, 3, 2), (3, 2, 1, 0))


def cast_people(people: int, seed: int) -> list[Person]:
    """The first `people` walkers of a seed; the same seed gives the same cast.

    Raises:
        ValueError: fewer than one person.
    """
    if people < 1:
        raise ValueError(f"a cast needs at least one person, got {people}")
    rng = np.random.default_rng([seed, 1])
    cast: list[Person] = []
    while len(cast) < people:
        outfits = _group_outfits(rng)
        for outfit in outfits:
            build = _build(rng)
            cast.append(Person(len(cast) + 1, build, drawn_gait(rng, build, outfit.bag), outfit))
    return cast[:people]


def _group_outfits(rng: np.random.Generator) -> list[Outfit]:
    """Four outfits of one set of colours; no garment kind, pattern, bag or hair twice among them."""
    palette = [CLOTH[i] for i in rng.permutation(len(CLOTH))[:GROUP]]
    deals = [rng.permutation(np.array(list(kind), dtype=object)) for kind in (Upper, Pattern, Lower, Bag, Hair)]
    outfits = []
    for member, wears in enumerate(_WEARS):
        upper, pattern, lower, bag, hair = (deal[member] for deal in deals)
        top, second, bottom, extra = (palette[i] for i in wears)
        skin, hair_colour, shoes = (kind[rng.integers(len(kind))] for kind in (SKIN, HAIR, SHOES))
        outfits.append(Outfit(upper, pattern, lower, bag, hair, top, second, bottom, extra, shoes, skin, hair_colour))
    return outfits


def _build(rng: np.random.Generator) -> Build:
    height = rng.uniform(1.52, 1.95)
    girth = rng.uniform(0.86, 1.32)
    return Build(
        height=height,
        hip_height=height * rng.uniform(0.475, 0.535),
        shoulder=height * rng.uniform(0.20, 0.245) * (0.75 + 0.25 * girth),
        hips=height * rng.uniform(0.19, 0.22) * (0.6 + 0.4 * girth),
        girth=girth,
    )


def drawn_gait(rng: np.random.Generator, build: Build, bag: Bag) -> Gait:
    """How somebody of this build moves, carrying this."""
    elbows = rng.choice([0.15, 0.35, 0.6, 1.5], size=2, p=[0.4, 0.3, 0.2, 0.1])
    arms = np.where(elbows > 1.0, 0.25, 0.0)
    if bag in (Bag.SUITCASE, Bag.HANDBAG):
        elbows[1], arms[1] = 0.1, -0.3 if bag is Bag.SUITCASE else 0.0
    return Gait(
        strides_hz=rng.uniform(0.75, 1.1) * (1.7 / build.height) ** 0.5,
        phase=rng.uniform(0, 2 * np.pi),
        stride=rng.uniform(0.32, 0.52),
        knee=rng.uniform(0.7, 1.1),
        swing=rng.uniform(0.12, 0.5) * (0.3 if bag is Bag.SUITCASE else 1.0),
        arms_out=rng.uniform(0.03, 0.14) + 0.06 * (build.girth - 1.0),
        arm_left=float(arms[0]),
        arm_right=float(arms[1]),
        elbow_left=float(elbows[0]),
        elbow_right=float(elbows[1]),
        lean=rng.uniform(-0.02, 0.14),
        tilt=rng.uniform(-0.04, 0.04),
        nod=rng.uniform(-0.05, 0.3),
    )
