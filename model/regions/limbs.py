"""Regions from body keypoints and a person mask: ten limbs by name, and a soft spot around any point.

Everything here is about the person, not the picture: "left" is the person's own left, and a limb keeps its name in
every view of the picture, mirrored ones included, because the surface it names is the same.

Lengths are measured in cells of the mask, so its shape (rows : columns) must be the shape of the crop as the encoder
sees it, 2:1. They are given in torso lengths (shoulders to hips), the steadiest length of a person on foot.
"""

from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor

from model.regions.errors import BadRegions
from model.regions.proposer import Prompts, RegionMasks, found_only


class Limb(IntEnum):
    """The named regions, in the order of the masks' second axis."""

    HEAD = 0
    TORSO = 1
    UPPER_ARM_LEFT = 2
    UPPER_ARM_RIGHT = 3
    FOREARM_LEFT = 4  # with the hand
    FOREARM_RIGHT = 5
    THIGH_LEFT = 6
    THIGH_RIGHT = 7
    SHIN_LEFT = 8  # with the foot
    SHIN_RIGHT = 9


# BlazePose's 33 points, and four that are made of them.
_EARS, _SHOULDERS, _HIPS = (7, 8), (11, 12), (23, 24)
_NECK, _PELVIS, _CHIN, _CROWN = 33, 34, 35, 36

# Each limb is one or two straight bones: its name, its ends, and the distance from it, in torso lengths, at which the
# weight is a half.
_BONES = (
    (Limb.HEAD, _CHIN, _CROWN, 0.20),
    (Limb.TORSO, _NECK, _PELVIS, 0.28),
    (Limb.UPPER_ARM_LEFT, 11, 13, 0.15),
    (Limb.UPPER_ARM_RIGHT, 12, 14, 0.15),
    (Limb.FOREARM_LEFT, 13, 19, 0.13),
    (Limb.FOREARM_RIGHT, 14, 20, 0.13),
    (Limb.THIGH_LEFT, 23, 25, 0.17),
    (Limb.THIGH_RIGHT, 24, 26, 0.17),
    (Limb.SHIN_LEFT, 25, 27, 0.14),
    (Limb.SHIN_RIGHT, 26, 28, 0.14),
    (Limb.SHIN_LEFT, 27, 31, 0.14),
    (Limb.SHIN_RIGHT, 28, 32, 0.14),
)
_SEEN = 0.3  # visibility from which a limb counts as seen
_LEAST_CELLS = 1.0  # a region with less weight than one whole cell is too little to compare
_SHORTEST_TORSO = 0.12  # of the picture's height: a torso seen from above must not shrink everything else


@dataclass(frozen=True, slots=True)
class BodyPoints:
    """Points told by the body: which bone is nearest, how far along it, and how far off. (B, R) each.

    The same numbers on the same person's keypoints in another frame are the same points of the person.
    """

    bone: Tensor  # int64
    along: Tensor  # share of the bone's length, in [0, 1]
    off: Tensor  # float32 (B, R, 2): what is left, in torso lengths, along the bone and to its left
    visibility: Tensor  # as the prompts had it


class PoseRegions:
    """A region proposer that knows keypoints and person mask of each picture of a batch."""

    def __init__(self, keypoints: Tensor, masks: Tensor, *, reach: float | Tensor = 0.3) -> None:
        """From keypoints (B, 33, 3: x, y, visibility), any float type, and masks (B, H, W), uint8 or float in [0, 1].

        `reach` is how far from a prompted point the weight is a half, in torso lengths: a number, or one for each
        prompt, (B, R).

        Raises:
            BadRegions: other shapes.
        """
        if keypoints.ndim != 3 or keypoints.shape[1:] != (33, 3) or masks.ndim != 3 or len(masks) != len(keypoints):
            raise BadRegions(
                "bodies are keypoints (B, 33, 3) with masks (B, H, W), got "
                f"{tuple(keypoints.shape)} and {tuple(masks.shape)}: give the two arrays of the same pictures"
            )
        self._reach = reach
        self._masks = masks.float() / 255 if masks.dtype == torch.uint8 else masks.float()
        rows, columns = masks.shape[1:]
        self._size = torch.tensor([columns, rows], dtype=torch.float32, device=masks.device)
        points, self._visibility = _joints(keypoints.float())  # (B, 37, 2), (B, 37)
        self._points = points * self._size  # cells
        torso = (self._points[:, _NECK] - self._points[:, _PELVIS]).norm(dim=-1)
        self._torso = torso.clamp_min(_SHORTEST_TORSO * rows)  # (B,), cells

    def limbs(self) -> RegionMasks:
        """The ten limbs of each person, in the order of `Limb`: (B, 10, H, W).

        A limb is the soft area around its bones, cut by the person mask. It is found where its ends are seen and
        the picture shows at least one cell of it.
        """
        shape = (len(self._masks), len(Limb), *self._masks.shape[1:])
        weights, seen = self._masks.new_zeros(shape), self._masks.new_zeros(shape[:2])
        for limb, start, end, radius in _BONES:
            ends = (self._points[:, None, None, point] for point in (start, end))  # (B, 1, 1, 2)
            distance = _to_segment(self._cells(), *ends)  # (B, H, W)
            soft = _falloff(distance / (radius * self._torso)[:, None, None])
            weights[:, limb] = torch.maximum(weights[:, limb], soft)
            bone_seen = torch.minimum(self._visibility[:, start], self._visibility[:, end])
            seen[:, limb] = torch.maximum(seen[:, limb], bone_seen)
        return self._cut(weights, seen >= _SEEN)

    def propose(self, prompts: Prompts) -> RegionMasks:
        """A soft spot around each point, cut by the person mask: (B, R) prompts to (B, R, H, W)."""
        apart = self._cells() - (prompts.points * self._size)[:, :, None, None]  # (B, R, H, W, 2)
        reach = torch.as_tensor(self._reach, device=apart.device) * self._torso[:, None]  # (B, 1) or (B, R)
        return self._cut(_falloff(apart.norm(dim=-1) / reach[:, :, None, None]), prompts.inside)

    def tell(self, prompts: Prompts) -> BodyPoints:
        """Say where on the body each point lies, to find it again in another frame."""
        points = prompts.points * self._size  # (B, R, 2)
        starts, ends = self._bones()  # (B, 12, 2)
        radius = torch.tensor([bone[3] for bone in _BONES], device=points.device)
        distances = _to_segment(points[:, :, None], starts[:, None], ends[:, None])  # (B, R, 12)
        bone = (distances / radius).argmin(dim=-1)  # (B, R)
        start, way = _pick(starts, bone), _pick(ends, bone) - _pick(starts, bone)
        along = _share(points - start, way)
        rest = (points - start - along[..., None] * way) / self._torso[:, None, None]
        ahead, left = _axes(way)
        off = torch.stack([(rest * ahead).sum(-1), (rest * left).sum(-1)], dim=-1)
        return BodyPoints(bone, along, off, prompts.visibility)

    def place(self, told: BodyPoints) -> Prompts:
        """The points another frame's `tell` told of, on the same persons in these pictures.

        Points of a bone that is not seen here get visibility 0.
        """
        starts, ends = self._bones()
        start, way = _pick(starts, told.bone), _pick(ends, told.bone) - _pick(starts, told.bone)
        ahead, left = _axes(way)
        off = told.off * self._torso[:, None, None]
        points = start + told.along[..., None] * way + off[..., :1] * ahead + off[..., 1:] * left
        ends_seen = [torch.minimum(self._visibility[:, a], self._visibility[:, b]) for _, a, b, _ in _BONES]
        seen = torch.stack(ends_seen, dim=1).gather(1, told.bone) >= _SEEN
        return Prompts(points / self._size, told.visibility * seen)

    def _cells(self) -> Tensor:
        """Middles of the mask's cells, x and y: (H, W, 2)."""
        rows, columns = (torch.arange(n, device=self._masks.device) + 0.5 for n in self._masks.shape[1:])
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        return torch.stack([x, y], dim=-1)

    def _bones(self) -> tuple[Tensor, Tensor]:
        starts, ends = [start for _, start, _, _ in _BONES], [end for _, _, end, _ in _BONES]
        return self._points[:, starts], self._points[:, ends]

    def _cut(self, weights: Tensor, asked: Tensor) -> RegionMasks:
        weights = weights * self._masks[:, None]
        return found_only(weights, asked & (weights.sum(dim=(2, 3)) >= _LEAST_CELLS))


def draw_points(masks: Tensor, count: int, generator: torch.Generator | None = None) -> Prompts:
    """Draw `count` points anywhere on each person: masks (B, H, W), uint8 or float -> prompts (B, count).

    A cell is drawn as often as its weight says, and the point evenly within it. Where a mask is empty, the
    visibility is 0. Drawn on the CPU, where the generator lives, so that a seed means the same points on every device.
    """
    rows, columns = masks.shape[1:]
    odds = masks.flatten(1).float().cpu()
    empty = odds.sum(dim=1) <= 0
    odds = torch.where(empty[:, None], 1.0, odds)
    cell = torch.multinomial(odds, count, replacement=True, generator=generator)  # (B, count)
    corner = torch.stack([cell % columns, cell // columns], dim=-1)
    points = (corner + torch.rand(corner.shape, generator=generator)) / torch.tensor([columns, rows])
    visibility = (~empty).float()[:, None].expand(-1, count)
    return Prompts(points.to(masks.device), visibility.to(masks.device))


def _joints(keypoints: Tensor) -> tuple[Tensor, Tensor]:
    """(B, 33, 3) to all 37 points (B, 37, 2) and their visibility (B, 37)."""

    def between(pair: tuple[int, int]) -> Tensor:
        left, right = keypoints[:, pair[0]], keypoints[:, pair[1]]
        # Seen when either side is: a person seen from the side has a head and a torso too.
        return torch.cat([(left + right)[:, :2] / 2, torch.maximum(left, right)[:, 2:]], dim=1)

    neck, pelvis, ears = between(_SHOULDERS), between(_HIPS), between(_EARS)
    up = torch.cat([(ears - neck)[:, :2], torch.zeros_like(neck[:, 2:])], dim=1)
    made = torch.stack([neck, pelvis, ears - 0.3 * up, ears + 0.4 * up], dim=1)
    joined = torch.cat([keypoints, made], dim=1)
    return joined[..., :2], joined[..., 2]


def _to_segment(points: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Distance of points from segments; shapes (..., 2) that broadcast, to (...)."""
    apart, way = points - start, end - start
    distance: Tensor = (apart - _share(apart, way)[..., None] * way).norm(dim=-1)
    return distance


def _share(apart: Tensor, way: Tensor) -> Tensor:
    """How far along `way` the foot of `apart` lies, kept in [0, 1]: (..., 2), (..., 2) -> (...)."""
    return ((apart * way).sum(-1) / (way * way).sum(-1).clamp_min(1e-6)).clamp(0, 1)


def _axes(way: Tensor) -> tuple[Tensor, Tensor]:
    """Unit vectors along (..., 2) and across it."""
    ahead = way / way.norm(dim=-1, keepdim=True).clamp_min(1e-6)
    return ahead, torch.stack([ahead[..., 1], -ahead[..., 0]], dim=-1)


def _pick(points: Tensor, index: Tensor) -> Tensor:
    """(B, N, 2) by (B, R) -> (B, R, 2)."""
    return points.gather(1, index[..., None].expand(-1, -1, 2))


def _falloff(distance: Tensor) -> Tensor:
    """Weight by distance: 1 at 0, a half at 1, and nothing from 2 on, where it would be a sixteenth."""
    return torch.where(distance < 2, torch.exp2(-(distance**2)), 0.0)
