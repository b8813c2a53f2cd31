"""From a posed mesh to pixels: turn, light, sort by depth, fill."""

from dataclasses import dataclass

import numpy as np
from PIL import ImageDraw

from service.demo.mesh import Floats, Mesh


@dataclass(frozen=True, slots=True)
class View:
    """Where the camera stands: yaw 0 sees the front, +pi/2 the walker's left; elevation looks down. Radians."""

    yaw: float
    elevation: float


@dataclass(frozen=True, slots=True)
class Light:
    """Where light comes from, as the camera sees it, and how strong shade is (0 none, 1 black)."""

    direction: tuple[float, float, float]
    shade: float


@dataclass(frozen=True, slots=True)
class Frame:
    """Where metres land: pixels a metre upright, how much wider they come out across, and the origin's pixel."""

    scale: float
    stretch: float
    x: float
    y: float


def seen(vertices: Floats, view: View) -> Floats:
    """World vertices (V, 3) as the camera has them: x right, y up, z towards it; metres."""
    cos, sin = np.cos(view.yaw), np.sin(view.yaw)
    x = cos * vertices[:, 0] - sin * vertices[:, 2]
    depth = sin * vertices[:, 0] + cos * vertices[:, 2]
    cos, sin = np.cos(view.elevation), np.sin(view.elevation)
    return np.stack([x, cos * vertices[:, 1] - sin * depth, sin * vertices[:, 1] + cos * depth], axis=1)


def paint(draw: ImageDraw.ImageDraw, mesh: Mesh, vertices: Floats, light: Light, frame: Frame) -> None:
    """Fill the faces that look at the camera, the farthest first; `vertices` (V, 3) come from `seen`."""
    corners = vertices[mesh.faces]  # (F, 4, 3)
    normals = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    facing = normals[:, 2] > 0
    corners, normals = corners[facing], normals[facing]
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    towards = np.array(light.direction) / np.linalg.norm(light.direction)
    lit = 1.0 - light.shade * (0.5 - 0.5 * normals @ towards)  # half Lambert: no face falls to black
    colours = np.clip(mesh.colours[facing] * lit[:, None], 0, 255).astype(np.int64)
    order = np.argsort(corners[:, :, 2].mean(axis=1) + mesh.lifts[facing], kind="stable")
    points = np.empty((len(order), 4, 2))
    points[:, :, 0] = frame.x + frame.scale * frame.stretch * corners[order, :, 0]
    points[:, :, 1] = frame.y - frame.scale * corners[order, :, 1]
    for polygon, colour in zip(points.reshape(-1, 8).tolist(), colours[order].tolist(), strict=True):
        draw.polygon(polygon, fill=tuple(colour))
