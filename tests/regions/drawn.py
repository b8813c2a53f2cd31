"""Drawn walkers whose joints and outline are known: the demo's people before a plain wall."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from service.demo.film import walker
from service.demo.people import cast_people
from service.demo.render import Frame, Light, View, paint, seen
from service.demo.skeleton import Bone, walking

WALL = (148, 152, 146)
# The first point of each bone is a joint that BlazePose has too.
JOINTS = {
    Bone.ARM_L: 11, Bone.ARM_R: 12, Bone.FOREARM_L: 13, Bone.FOREARM_R: 14, Bone.THIGH_L: 23, Bone.THIGH_R: 24,
    Bone.SHANK_L: 25, Bone.SHANK_R: 26, Bone.FOOT_L: 27, Bone.FOOT_R: 28,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Drawn:
    """One picture of a walker and the truth about it."""

    pixels: NDArray[np.uint8]  # (H, W, 3)
    outline: NDArray[np.bool_]  # (H, W), True on the person
    joints: dict[int, tuple[float, float]]  # BlazePose's number -> (x, y) as shares of the picture


def draw_walker(number: int, *, seconds: float = 0.4, yaw: float = 0.3, height: int = 256, width: int = 128) -> Drawn:
    """Person `number` of the demo's cast, seen from `yaw` (0 the front), filling most of the picture."""
    who = walker(cast_people(number + 1, seed=3)[number])
    view = View(yaw, 0.12)
    vertices = who.seen(seconds, view)
    bottom, top = vertices[:, 1].min(), vertices[:, 1].max()
    scale = 0.9 * height / (top - bottom)
    middle = float(np.median(vertices[:, 0]))
    frame = Frame(scale, 1.0, width / 2 - scale * middle, 0.95 * height + scale * bottom)

    def painted(wall: tuple[int, int, int]) -> NDArray[np.uint8]:
        picture = Image.new("RGB", (width, height), wall)
        paint(ImageDraw.Draw(picture), who.mesh, vertices, Light((-0.5, 0.7, 0.6), 0.6), frame)
        return np.asarray(picture, np.uint8)

    pixels = painted(WALL)
    outline = (pixels == painted((255, 0, 255))).all(axis=2)
    origins = seen(walking(who.person.build, who.person.gait, seconds).origins, view)
    x, y = frame.x + scale * origins[:, 0], frame.y - scale * origins[:, 1]
    return Drawn(pixels, outline, {k: (x[bone] / width, y[bone] / height) for bone, k in JOINTS.items()})
