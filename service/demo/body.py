"""Skin and bones: head, hair, arms and legs of a walker, as meshes."""

from collections.abc import Callable

import numpy as np

from service.demo.mesh import Colour, Floats, Mesh, Ring, angles, flat, tube
from service.demo.people import Build, Hair, Outfit
from service.demo.skeleton import Bone, rest_joints

LIMB_RINGS = 13
LIMB_SECTORS = 10
LimbPaint = Callable[[Floats, Floats], Floats]  # (way down the limb 0-1, angle), both (R-1, S) -> colours


def head(build: Build, outfit: Outfit) -> list[Mesh]:
    """Head with face and hair, neck, and what is worn on the head."""
    base = rest_joints(build)[Bone.HEAD]
    tall = build.height
    bottom, top = base[1], tall
    wide, deep = 0.0475 * tall * (0.8 + 0.2 * build.girth), 0.056 * tall
    ways = np.array([0.0, 0.06, 0.2, 0.36, 0.5, 0.62, 0.74, 0.85, 0.94, 1.0])  # from the crown down
    sizes = np.array([0.1, 0.5, 0.85, 0.98, 1.0, 0.98, 0.93, 0.84, 0.66, 0.45])
    rings = [
        Ring((0, top - way * (top - bottom), 0.012 * tall), wide * size, deep * size, Bone.HEAD)
        for way, size in zip(ways, sizes, strict=True)
    ]
    parts = [tube(rings, _face(ways, outfit))]
    neck = [
        Ring((0, y * tall, 0), 0.034 * tall, 0.034 * tall, Bone.HEAD, Bone.CHEST, w)
        for y, w in ((0.875, 1.0), (0.845, 0.6), (0.80, 0.0))
    ]
    parts.append(tube(neck, flat(outfit.skin, 3, 10)))
    return parts + _worn(outfit, tall, wide, deep)


def _face(ways: Floats, outfit: Outfit) -> Floats:
    """Paint of the head: skin in front below the hair line, hair elsewhere, dark eyes."""
    sectors = 16
    way, phi = np.meshgrid((ways[1:] + ways[:-1]) / 2, angles(sectors), indexing="ij")
    line = {Hair.BALD: -1.0, Hair.LONG: 1.1, Hair.BUN: 0.72, Hair.SHORT: 0.62}.get(outfit.hair, 0.6)
    skin = ((np.abs(phi) < 1.25) & (way > 0.3)) | (way > line)
    if outfit.hair is Hair.BALD:
        skin = np.ones_like(skin)
    paint = np.where(skin[..., None], np.array(outfit.skin, float), np.array(outfit.hair_colour, float))
    eyes = (np.abs(np.abs(phi) - 0.4) < 0.22) & (way > 0.44) & (way < 0.6)
    paint[eyes] *= 0.72
    paint[(np.abs(phi) < 0.4) & (way > 0.74) & (way < 0.84)] *= 0.8
    return np.asarray(paint)


def _worn(outfit: Outfit, tall: float, wide: float, deep: float) -> list[Mesh]:
    forward = 0.012 * tall
    if outfit.hair is Hair.LONG:
        fall = [
            Ring((0, y * tall, z * tall), w * tall, d * tall, Bone.HEAD, Bone.CHEST, s)
            for y, z, w, d, s in (
                (0.985, 0.0, 0.03, 0.035, 1.0),
                (0.95, -0.008, 0.053, 0.05, 1.0),
                (0.87, -0.02, 0.056, 0.042, 1.0),
                (0.80, -0.035, 0.06, 0.03, 0.5),
                (0.75, -0.045, 0.05, 0.02, 0.2),
            )
        ]
        return [tube(fall, flat(outfit.hair_colour, 5, 12))]
    if outfit.hair is Hair.BUN:
        bun = [
            Ring((0, (0.975 - 0.02 * i) * tall, -0.05 * tall), r * tall, r * tall, Bone.HEAD)
            for i, r in enumerate((0.006, 0.024, 0.028, 0.022, 0.006))
        ]
        return [tube(bun, flat(outfit.hair_colour, 5, 10))]
    if outfit.hair not in (Hair.CAP, Hair.BEANIE):
        return []
    colour = outfit.extra
    heights = (1.012, 1.005, 0.985, 0.962) if outfit.hair is Hair.CAP else (1.03, 1.015, 0.98, 0.945)
    cap = [
        Ring((0, y * tall, forward), wide * s, deep * s, Bone.HEAD)
        for y, s in zip(heights, (0.2, 0.7, 1.03, 1.1), strict=True)
    ]
    parts = [tube(cap, flat(colour, 4, 14))]
    if outfit.hair is Hair.CAP:
        peak = [Ring((0, y * tall, forward + 0.05 * tall), wide * 0.85, deep * 0.95, Bone.HEAD) for y in (0.966, 0.956)]
        parts.append(tube(peak, flat(colour, 2, 14)))
    return parts


def arm(build: Build, side: str, thick: float, paint: LimbPaint) -> list[Mesh]:
    """One arm from shoulder to wrist, and the hand; `thick` is the garment's share of the width."""
    joints, tall = rest_joints(build), build.height
    upper, fore = Bone[f"ARM_{side}"], Bone[f"FOREARM_{side}"]
    x, top, _ = joints[upper]
    elbow, wrist = joints[fore][1], tall * 0.49
    girth = tall * 0.0265 * build.girth * thick
    x_in = x * (1 - 0.10)
    rings = []
    for way in np.linspace(0, 1, LIMB_RINGS):
        y = top + 0.015 * tall - way * (top + 0.015 * tall - wrist)
        size = girth * np.interp(way, (0, 0.06, 0.2, 0.5, 0.65, 1), (0.3, 0.8, 1.08, 0.9, 0.92, 0.66))
        share = float(np.clip((y - elbow) / (0.05 * tall) + 0.5, 0, 1))
        rings.append(Ring((x_in + (x - x_in) * min(1, way * 5), y, 0), size, size, upper, fore, share))
    return [tube(rings, _limb_paint(paint))]


def hand(build: Build, side: str, colour: Colour) -> Mesh:
    """A closed hand below the wrist."""
    fore, tall = Bone[f"FOREARM_{side}"], build.height
    x = rest_joints(build)[fore][0]
    rings = [
        Ring((x, y * tall, 0.006 * tall), w * tall, d * tall, fore)
        for y, w, d in ((0.495, 0.013, 0.016), (0.465, 0.015, 0.023), (0.435, 0.013, 0.021), (0.42, 0.004, 0.01))
    ]
    return tube(rings, flat(colour, 4, 8))


def leg(build: Build, side: str, widths: tuple[float, float, float], paint: LimbPaint, lift: float) -> Mesh:
    """One leg from hip to ankle; `widths` scale hip, knee and hem."""
    joints, tall = rest_joints(build), build.height
    thigh, shank = Bone[f"THIGH_{side}"], Bone[f"SHANK_{side}"]
    x, hip, _ = joints[thigh]
    knee, ankle = joints[shank][1], joints[Bone[f"FOOT_{side}"]][1]
    girth = tall * 0.047 * build.girth
    rings = []
    for way in np.linspace(0, 1, LIMB_RINGS):
        y = hip + 0.02 * tall - way * (hip + 0.02 * tall - ankle)
        shape = np.interp(way, (0, 0.15, 0.5, 0.68, 1), (1.1, 1.12, 0.76, 0.74, 0.46))
        size = girth * shape * np.interp(way, (0, 0.5, 1), widths)
        share = float(np.clip((y - knee) / (0.07 * tall) + 0.5, 0, 1))
        rings.append(Ring((x, y, 0), size, size * 1.08, thigh, shank, share))
    return tube(rings, _limb_paint(paint), lift=lift)


def shoe(build: Build, side: str, colour: Colour, *, boot: bool = False) -> Mesh:
    """A shoe around the foot bone, toes forward; a boot reaches up the shank."""
    tall, foot = build.height, Bone[f"FOOT_{side}"]
    x, ankle, _ = rest_joints(build)[foot]
    wide = 0.027 * tall
    rings = [
        Ring((x, ankle + 0.012 * tall, 0.0), wide * 0.9, wide * 1.1, foot),
        Ring((x, ankle - 0.012 * tall, 0.022 * tall), wide * 1.05, 0.052 * tall, foot),
        Ring((x, 0.012 * tall, 0.034 * tall), wide * 1.1, 0.072 * tall, foot),
        Ring((x, 0.0, 0.034 * tall), wide * 1.05, 0.072 * tall, foot),
    ]
    if boot:
        shaft = Ring((x, ankle + 0.11 * tall, 0.0), wide * 1.25, wide * 1.4, Bone[f"SHANK_{side}"])
        rings = [shaft, *rings]
    paint = flat(colour, len(rings), 10)
    paint[-1] *= 0.6
    return tube(rings, paint)


def _limb_paint(paint: LimbPaint) -> Floats:
    middle = (np.arange(LIMB_RINGS - 1) + 0.5) / (LIMB_RINGS - 1)
    way, phi = np.meshgrid(middle, angles(LIMB_SECTORS), indexing="ij")
    return paint(way, phi)
