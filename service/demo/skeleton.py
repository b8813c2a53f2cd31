"""Bones of a walker and how the gait moves them."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from service.demo.people import Build, Gait

Floats = npt.NDArray[np.float64]


class Bone(IntEnum):
    """Every bone; left is +x. The ground bone goes along with the walker without turning."""

    PELVIS = 0
    CHEST = 1
    HEAD = 2
    ARM_L = 3
    ARM_R = 4
    FOREARM_L = 5
    FOREARM_R = 6
    THIGH_L = 7
    THIGH_R = 8
    SHANK_L = 9
    SHANK_R = 10
    FOOT_L = 11
    FOOT_R = 12
    GROUND = 13


PARENT = {
    Bone.CHEST: Bone.PELVIS,
    Bone.HEAD: Bone.CHEST,
    Bone.ARM_L: Bone.CHEST,
    Bone.ARM_R: Bone.CHEST,
    Bone.FOREARM_L: Bone.ARM_L,
    Bone.FOREARM_R: Bone.ARM_R,
    Bone.THIGH_L: Bone.PELVIS,
    Bone.THIGH_R: Bone.PELVIS,
    Bone.SHANK_L: Bone.THIGH_L,
    Bone.SHANK_R: Bone.THIGH_R,
    Bone.FOOT_L: Bone.SHANK_L,
    Bone.FOOT_R: Bone.SHANK_R,
}


@dataclass(frozen=True, slots=True)
class Pose:
    """Where each bone is: rest origin, turn against the rest pose, present origin. All (14, ...)."""

    rest: Floats  # (14, 3) metres
    turns: Floats  # (14, 3, 3)
    origins: Floats  # (14, 3) metres


def rest_joints(build: Build) -> Floats:
    """Origin (14, 3) of each bone, in metres, of the person standing still."""
    tall, hip = build.height, build.hip_height
    knee, ankle = hip * 0.53, tall * 0.045
    shoulder, elbow = tall * 0.805, tall * 0.635
    apart, hips = build.shoulder / 2, build.hips * 0.26
    joints = np.zeros((len(Bone), 3))
    joints[Bone.PELVIS] = (0, hip, 0)
    joints[Bone.CHEST] = (0, hip + tall * 0.07, 0)
    joints[Bone.HEAD] = (0, tall * 0.85, 0)
    for side, sign in (("L", 1), ("R", -1)):
        joints[Bone[f"ARM_{side}"]] = (sign * apart, shoulder, 0)
        joints[Bone[f"FOREARM_{side}"]] = (sign * apart, elbow, 0)
        joints[Bone[f"THIGH_{side}"]] = (sign * hips, hip, 0)
        joints[Bone[f"SHANK_{side}"]] = (sign * hips, knee, 0)
        joints[Bone[f"FOOT_{side}"]] = (sign * hips, ankle, 0)
    return joints


def walking(build: Build, gait: Gait, seconds: float) -> Pose:
    """The pose `seconds` into the walk; the lower foot stands on the ground (y = 0)."""
    rest = rest_joints(build)
    turns = np.tile(np.eye(3), (len(Bone), 1, 1))
    origins = rest.copy()
    local = _local_turns(gait, seconds)
    turns[Bone.PELVIS] = local[Bone.PELVIS]
    for bone, parent in PARENT.items():  # parents come first
        turns[bone] = turns[parent] @ local[bone]
        origins[bone] = origins[parent] + turns[parent] @ (rest[bone] - rest[parent])
    lift = rest[Bone.FOOT_L, 1] - min(origins[Bone.FOOT_L, 1], origins[Bone.FOOT_R, 1])
    origins[:, 1] += lift
    origins[Bone.GROUND] = rest[Bone.GROUND]
    return Pose(rest, turns, origins)


def _local_turns(gait: Gait, seconds: float) -> dict[Bone, Floats]:
    legs = gait.legs_beat
    phase, trunk = legs.at(seconds), (gait.trunk_beat or legs).at(seconds)
    tilt = gait.tilt + gait.sway * np.sin(trunk)
    local = {
        Bone.PELVIS: _about_y(0.12 * np.sin(phase)) @ _about_z(0.03 * np.cos(phase)),
        Bone.CHEST: _about_y(-0.24 * np.sin(trunk)) @ _forward(-gait.lean) @ _about_z(tilt),
        Bone.HEAD: _forward(gait.lean * 0.7 - gait.nod),
    }
    for side, sign in (("L", 1), ("R", -1)):
        step = phase if sign > 0 else phase + np.pi
        swing = max(0.0, float(np.cos(step - 0.35)))
        local[Bone[f"THIGH_{side}"]] = _forward(gait.stride * np.sin(step) + 0.05)
        local[Bone[f"SHANK_{side}"]] = _forward(-0.08 - gait.knee * swing**2)
        local[Bone[f"FOOT_{side}"]] = _forward(0.25 * np.sin(step) + 0.1)
    return local | _arm_turns(gait, seconds)


def _arm_turns(gait: Gait, seconds: float) -> dict[Bone, Floats]:
    local = {}
    arms = (
        ("L", 1, gait.arm_left, gait.elbow_left, gait.arm_left_beat),
        ("R", -1, gait.arm_right, gait.elbow_right, gait.arm_right_beat),
    )
    for side, sign, arm, elbow, beat in arms:
        phase = (beat or gait.legs_beat).at(seconds)
        step = phase if sign > 0 else phase + np.pi
        out = gait.arms_out + gait.spread * (0.5 + 0.5 * np.sin(step))
        local[Bone[f"ARM_{side}"]] = _about_z(sign * out) @ _forward(arm - gait.swing * np.sin(step))
        local[Bone[f"FOREARM_{side}"]] = _forward(elbow - 0.25 * gait.swing * np.sin(step))
    return local


def _forward(angle: float) -> Floats:
    """Swing what hangs down towards +z by `angle` radians."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, cos, sin], [0, -sin, cos]])


def _about_y(angle: float) -> Floats:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])


def _about_z(angle: float) -> Floats:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
