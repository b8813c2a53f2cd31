"""Garments over the body: torso, sleeves, trousers, skirts and their patterns."""

from dataclasses import replace
from functools import partial

import numpy as np

from service.demo.body import arm, hand, leg, shoe
from service.demo.mesh import Colour, Floats, Mesh, Ring, angles, flat, tube
from service.demo.people import Build, Lower, Outfit, Pattern, Person, Upper
from service.demo.skeleton import Bone, rest_joints

TORSO_SECTORS = 24
BULK = {Upper.JACKET_OPEN: 1.1, Upper.JACKET_CLOSED: 1.16, Upper.COAT: 1.14, Upper.GILET: 1.18, Upper.HOODIE: 1.12}
SLEEVE_END = {Upper.TSHIRT: 0.4, Upper.DRESS: 0.25}  # way down the arm; others reach the wrist
SLEEVE = {Upper.JACKET_OPEN: 1.3, Upper.JACKET_CLOSED: 1.45, Upper.COAT: 1.4, Upper.GILET: 1.1, Upper.HOODIE: 1.35}
LEG_WIDTHS = {
    Lower.TROUSERS: (1.08, 1.15, 1.35),
    Lower.WIDE: (1.12, 1.45, 2.3),
    Lower.SHORTS: (1.15, 1.3, 1.0),
    Lower.LEGGINGS: (1.0, 1.0, 1.0),
}
HEMS = {Lower.SKIRT: 0.62, Lower.LONG_SKIRT: 0.22}  # height of the hem as a share of the hip's


def dressed(person: Person) -> list[Mesh]:
    """Torso, arms and legs with what is worn on them."""
    build, outfit = person.build, person.outfit
    hem = _hem(outfit)
    widths = LEG_WIDTHS.get(outfit.lower, (1.0, 1.0, 1.0))
    parts = [_torso(build, outfit)]
    for side in "LR":
        parts += arm(build, side, SLEEVE.get(outfit.upper, 1.12), partial(_sleeve, outfit))
        parts.append(hand(build, side, outfit.skin))
        parts.append(leg(build, side, widths, partial(_trouser, outfit), -0.2 if hem else -0.05))
        parts.append(shoe(build, side, outfit.shoes, boot=outfit.lower is Lower.LEGGINGS))
    if hem is not None:
        over = outfit.upper not in BULK or outfit.upper is Upper.COAT
        parts.append(_skirt(build, *hem, over=over))
    if outfit.upper is Upper.HOODIE:
        parts.append(_hood(build, outfit.top))
    return parts


def _torso(build: Build, outfit: Outfit) -> Mesh:
    tall, bulk = build.height, BULK.get(outfit.upper, 1.0)
    hip, shoulder = rest_joints(build)[Bone.PELVIS][1], 0.835 * tall
    end = hip - (0.05 if outfit.upper in BULK else 0.02) * tall
    half, hips, depth = build.shoulder / 2, build.hips / 2, 0.062 * tall * build.girth
    belly = max(0.0, build.girth - 1.05) * 0.10 * tall
    rings = []
    for way in np.linspace(0, 1, 25):
        y = shoulder - way * (shoulder - end)
        wide = np.interp(way, (0, 0.05, 0.14, 0.62, 1), (0.32 * half, 0.72 * half, 0.98 * half, 0.80 * half, hips))
        deep = depth * np.interp(way, (0, 0.06, 0.3, 0.65, 1), (0.55, 0.85, 1.1, 0.98, 1.08))
        swell = belly * float(np.exp(-(((way - 0.68) / 0.22) ** 2)))
        share = float(np.clip((y - hip) / (0.1 * tall), 0, 1))
        rings.append(
            Ring(
                (0, y, swell * 0.6),
                (wide + swell * 0.5) * bulk,
                (deep + swell * 0.6) * bulk,
                Bone.CHEST,
                Bone.PELVIS,
                share,
            )
        )
    return tube(rings, _torso_paint(outfit), square=0.85)


def _torso_paint(outfit: Outfit) -> Floats:
    way, phi = np.meshgrid((np.arange(24) + 0.5) / 24, angles(TORSO_SECTORS), indexing="ij")
    paint = _patterned(outfit, way, phi)
    second = np.array(outfit.second, float)
    if outfit.upper is Upper.JACKET_OPEN:
        paint[np.abs(phi) < 0.22 + 0.3 * way] = second
    elif outfit.upper in (Upper.JACKET_CLOSED, Upper.GILET, Upper.COAT):
        paint[np.abs(phi) < 0.14] *= 0.55  # the zip
        if outfit.upper is not Upper.COAT:
            paint[(np.arange(24) % 5 == 4)] *= 0.8  # quilting
    paint[(np.abs(phi) < 0.5) & (way < 0.07)] = outfit.skin  # neckline
    if outfit.upper in (Upper.TSHIRT, Upper.LONG_SLEEVE) and outfit.pattern is not Pattern.YOKE:
        paint[way > 0.95] = outfit.bottom  # belt line
    return np.asarray(paint)


def _patterned(outfit: Outfit, way: Floats, phi: Floats) -> Floats:
    second = {
        Pattern.STRIPES: np.floor(way * 12) % 2 == 1,
        Pattern.PINSTRIPES: np.floor((phi + np.pi) / (2 * np.pi) * 24) % 3 == 0,
        Pattern.YOKE: way < 0.36,
        Pattern.BAND: (way > 0.32) & (way < 0.55),
        Pattern.LOGO: (np.abs(np.abs(phi) - np.pi / 2) > 0.95) & (way > 0.2) & (way < 0.5),
        Pattern.CHECKS: (np.floor(way * 8) + np.floor((phi + np.pi) / (2 * np.pi) * 12)) % 2 == 1,
    }.get(outfit.pattern, np.zeros(way.shape, np.bool_))
    return np.where(second[..., None], np.array(outfit.second, float), np.array(outfit.top, float))


def _sleeve(outfit: Outfit, way: Floats, phi: Floats) -> Floats:
    colour = outfit.second if outfit.pattern is Pattern.SLEEVES or outfit.upper is Upper.GILET else outfit.top
    paint = np.tile(np.array(colour, float), (*way.shape, 1))
    if outfit.pattern in (Pattern.STRIPES, Pattern.CHECKS) and outfit.upper is not Upper.GILET:
        paint[np.floor(way * 12) % 2 == 1] = outfit.second
    if outfit.pattern is Pattern.YOKE:
        paint[way < 0.2] = outfit.second
    paint[way > SLEEVE_END.get(outfit.upper, 1.0)] = outfit.skin
    return paint


def _trouser(outfit: Outfit, way: Floats, phi: Floats) -> Floats:
    paint = np.tile(np.array(outfit.bottom, float), (*way.shape, 1))
    if outfit.lower is Lower.SHORTS:
        paint[way > 0.5] = outfit.skin
    elif outfit.lower in HEMS or outfit.upper is Upper.DRESS:
        paint[:] = outfit.skin
    return paint


def _hem(outfit: Outfit) -> tuple[Colour, float, float] | None:
    """Colour, height of the hem (share of the hip's) and flare of what hangs from the hips."""
    if outfit.upper is Upper.COAT:
        return outfit.top, 0.55, 1.25
    if outfit.upper is Upper.DRESS:
        return outfit.top, 0.5, 1.5
    if outfit.lower in HEMS:
        return outfit.bottom, HEMS[outfit.lower], 1.45
    return None


def _skirt(build: Build, colour: Colour, hem: float, flare: float, *, over: bool) -> Mesh:
    """Cloth from the waist down to the hem, whose halves follow the thighs; over the upper garment or under it."""
    tall = build.height
    hip = rest_joints(build)[Bone.PELVIS][1]
    top, bottom = hip + (0.06 if over else -0.02) * tall, hip * hem
    half, depth = build.hips / 2, 0.066 * tall * build.girth
    ways = np.linspace(0, 1, 11)
    rings = [
        Ring(
            (0, top - way * (top - bottom), 0),
            half * 1.06 * (1 + (flare - 1) * way),
            depth * 1.12 * (1 + (flare - 1) * 1.3 * way),
            Bone.PELVIS,
        )
        for way in ways
    ]
    paint = flat(colour, 11, TORSO_SECTORS)
    paint[:, ::3] *= 0.88  # folds
    cloth = tube(rings, paint, lift=0.04 if over else -0.04)
    x = cloth.vertices[:, 0]
    thigh = np.where(x > 0, Bone.THIGH_L, Bone.THIGH_R)
    bones = np.stack([np.full_like(thigh, Bone.PELVIS), thigh], axis=1)
    follow = np.repeat(ways, TORSO_SECTORS) * 0.75 * np.clip(np.abs(x) / half, 0.0, 1.0)
    return replace(cloth, bones=bones, weights=1.0 - follow)


def _hood(build: Build, colour: Colour) -> Mesh:
    tall = build.height
    rings = [
        Ring((0, y * tall, -0.035 * tall), w * tall, d * tall, Bone.CHEST)
        for y, w, d in ((0.875, 0.04, 0.02), (0.855, 0.06, 0.04), (0.82, 0.065, 0.045), (0.78, 0.035, 0.035))
    ]
    return tube(rings, flat(colour, 4, 12))
