"""What people carry: backpacks, shoulder bags, suitcases, handbags."""

from dataclasses import replace

import numpy as np

from service.demo.mesh import Colour, Mesh, Ring, flat, tube
from service.demo.people import Bag, Build, Person
from service.demo.skeleton import Bone, rest_joints


def carried(person: Person) -> list[Mesh]:
    """The meshes of the person's bag; none for those without one."""
    build, colour = person.build, person.outfit.extra
    makers = {Bag.BACKPACK: _backpack, Bag.SHOULDER: _shoulder_bag, Bag.SUITCASE: _suitcase, Bag.HANDBAG: _handbag}
    maker = makers.get(person.outfit.bag)
    return [] if maker is None else maker(build, colour)


def _box(centre: tuple[float, float, float], size: tuple[float, float, float], bone: Bone, colour: Colour) -> Mesh:
    """A box with rounded edges: centre and full width, height, depth in metres."""
    (x, y, z), (wide, high, deep) = centre, size
    rings = [
        Ring((x, y + high * t / 2, z), wide / 2 * s, deep / 2 * s, bone)
        for t, s in ((1.0, 0.6), (0.9, 0.92), (0.3, 1.0), (-0.4, 1.0), (-0.9, 0.95), (-1.0, 0.6))
    ]
    paint = flat(colour, len(rings), 16)
    paint[2] *= 0.82  # a pocket's seam
    return tube(rings, paint, square=0.6)


def _backpack(build: Build, colour: Colour) -> list[Mesh]:
    tall = build.height
    back = -0.105 * tall * build.girth
    pack = _box((0, 0.69 * tall, back), (0.17 * tall, 0.25 * tall, 0.11 * tall), Bone.CHEST, colour)
    return [pack, *(_strap(build, colour, sign) for sign in (1, -1))]


def _strap(build: Build, colour: Colour, sign: int) -> Mesh:
    """A strap over one shoulder, down the front of the chest."""
    tall, x = build.height, sign * build.shoulder * 0.30
    deep = 0.080 * tall * build.girth
    rings = [
        Ring((x, y * tall, z * deep), 0.014 * tall, 0.012 * tall, Bone.CHEST)
        for y, z in ((0.845, 0.0), (0.82, 0.75), (0.76, 1.0), (0.68, 1.08), (0.64, 0.9))
    ]
    return tube(rings, flat(colour, 5, 8))


def _shoulder_bag(build: Build, colour: Colour) -> list[Mesh]:
    tall, hip = build.height, rest_joints(build)[Bone.PELVIS][1]
    x = build.hips * 0.5 + 0.045 * tall
    bag = _box((x, hip + 0.01 * tall, 0.0), (0.07 * tall, 0.16 * tall, 0.2 * tall), Bone.PELVIS, colour)
    return [bag, _sash(build, colour)]


def _sash(build: Build, colour: Colour) -> Mesh:
    """A belt round the torso from one shoulder to the other hip, seen from all sides."""
    tall, hip = build.height, rest_joints(build)[Bone.PELVIS][1]
    wide, deep = build.shoulder * 0.51, 0.085 * tall * build.girth
    low, high = hip + 0.06 * tall, 0.845 * tall
    turn = np.arange(24) * 2 * np.pi / 24
    middle = (low + high) / 2 - np.sin(turn) * (high - low) / 2  # low on the left, where the bag hangs
    rings = [Ring((0, 0, 0), wide * 0.92, deep, Bone.CHEST), Ring((0, -0.03 * tall, 0), wide * 0.92, deep, Bone.CHEST)]
    belt = tube(rings, flat(colour, 2, 24))
    vertices = belt.vertices.copy()
    vertices[:, 1] += np.tile(middle, 2)
    vertices[:, 0] *= np.interp(vertices[:, 1] / tall, (0.6, 0.78, 0.845), (1.0, 1.0, 0.75))
    return replace(belt, vertices=vertices)


def _suitcase(build: Build, colour: Colour) -> list[Mesh]:
    tall, x = build.height, -build.shoulder * 0.62
    case = _box((x, 0.34, -0.42), (0.26, 0.58, 0.38), Bone.GROUND, colour)
    pole = [Ring((x, 0.63, -0.42), 0.015, 0.03, Bone.GROUND), Ring((x, 0.47 * tall, -0.18), 0.015, 0.03, Bone.GROUND)]
    return [case, tube(pole, flat((60, 60, 62), 2, 6))]


def _handbag(build: Build, colour: Colour) -> list[Mesh]:
    tall, fore = build.height, Bone.FOREARM_R
    x = rest_joints(build)[fore][0]
    bag = _box((x, 0.335 * tall, 0.0), (0.055 * tall, 0.13 * tall, 0.17 * tall), fore, colour)
    handle = [Ring((x, y * tall, 0.0), 0.006 * tall, d * tall, fore) for y, d in ((0.43, 0.02), (0.40, 0.05))]
    return [bag, tube(handle, flat(colour, 2, 8))]
