"""Meshes hung on bones: tubes of elliptic rings, coloured face by face.

Metres; x to the person's left as the camera sees them from the front, y up, z the way they face.
Axis letters here: R rings, S sectors of a ring, V vertices, F faces.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.demo.skeleton import Bone, Pose

Floats = npt.NDArray[np.float64]
Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Mesh:
    """Four-cornered faces over vertices that follow two bones each."""

    vertices: Floats  # (V, 3) in the rest pose
    bones: npt.NDArray[np.int64]  # (V, 2)
    weights: Floats  # (V,) share of the first bone, 0-1
    faces: npt.NDArray[np.int64]  # (F, 4) corners, counter-clockwise from outside
    colours: Floats  # (F, 3) albedo, 0-255
    lifts: Floats  # (F,) metres a face counts as nearer to the camera than it is: cloth over skin

    def posed(self, pose: Pose) -> Floats:
        """Vertices (V, 3) of the walker in `pose`."""
        first = self._under(pose, self.bones[:, 0])
        second = self._under(pose, self.bones[:, 1])
        share = self.weights[:, None]
        return share * first + (1.0 - share) * second

    def _under(self, pose: Pose, bones: npt.NDArray[np.int64]) -> Floats:
        local = self.vertices - pose.rest[bones]  # (V, 3)
        turned = np.matmul(pose.turns[bones], local[:, :, None])[:, :, 0]  # (V, 3)
        return np.asarray(turned + pose.origins[bones])


@dataclass(frozen=True, slots=True)
class Ring:
    """One elliptic cross-section of a tube: centre, half width (x), half depth (z) and the bones it follows."""

    centre: tuple[float, float, float]
    half_width: float
    half_depth: float
    bone: Bone
    other: Bone | None = None
    weight: float = 1.0


def angles(sectors: int) -> Floats:
    """Middle angle of each sector, radians in (-pi, pi]; 0 is the front, positive towards +x."""
    middle = (np.arange(sectors) + 0.5) * 2 * np.pi / sectors
    return np.asarray((middle + np.pi) % (2 * np.pi) - np.pi)


def tube(rings: Sequence[Ring], colours: Floats, *, square: float = 1.0, lift: float = 0.0) -> Mesh:
    """Join rings, listed from the top down, to a tube painted with `colours` (R - 1, S, 3).

    `square` below 1 bulges the ellipse towards a box; `lift` (metres) draws the tube over what it touches.
    """
    sectors = colours.shape[1]
    turn = np.arange(sectors) * 2 * np.pi / sectors
    across, along = _bulged(np.sin(turn), square), _bulged(np.cos(turn), square)
    centres = np.array([ring.centre for ring in rings])  # (R, 3)
    vertices = np.repeat(centres[:, None, :], sectors, axis=1)  # (R, S, 3)
    vertices[:, :, 0] += np.array([ring.half_width for ring in rings])[:, None] * across
    vertices[:, :, 2] += np.array([ring.half_depth for ring in rings])[:, None] * along
    bones = np.array([[ring.bone, ring.bone if ring.other is None else ring.other] for ring in rings])
    return Mesh(
        vertices.reshape(-1, 3),
        np.repeat(bones, sectors, axis=0),
        np.repeat([ring.weight for ring in rings], sectors),
        _faces(len(rings), sectors),
        colours.reshape(-1, 3),
        np.full((len(rings) - 1) * sectors, lift),
    )


def flat(colour: Colour, rings: int, sectors: int) -> Floats:
    """Paint (rings - 1, sectors, 3) of one colour."""
    return np.full((rings - 1, sectors, 3), colour, np.float64)


def joined(parts: Sequence[Mesh]) -> Mesh:
    """One mesh of all parts."""
    starts = np.cumsum([0] + [len(part.vertices) for part in parts[:-1]])
    return Mesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.bones for part in parts]),
        np.concatenate([part.weights for part in parts]),
        np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=True)]),
        np.concatenate([part.colours for part in parts]),
        np.concatenate([part.lifts for part in parts]),
    )


def _faces(rings: int, sectors: int) -> npt.NDArray[np.int64]:
    ring, sector = np.meshgrid(np.arange(rings - 1), np.arange(sectors), indexing="ij")
    right = (sector + 1) % sectors
    corners = [ring * sectors + sector, (ring + 1) * sectors + sector]
    corners += [(ring + 1) * sectors + right, ring * sectors + right]
    return np.stack(corners, axis=-1).reshape(-1, 4)


def _bulged(wave: Floats, square: float) -> Floats:
    return np.asarray(np.sign(wave) * np.abs(wave) ** square)
