"""The same regions in several sightings: views of a frame, and another frame of the track.

Letters: S sightings, B tracks, R regions of each, L patches. Sighting 0 is the anchor frame in view 1, sighting 1 the
anchor frame in view 2, sighting 2 another frame of the track in view 1.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from model.regions.affinity import AffinityRegions
from model.regions.limbs import Limb, PoseRegions, draw_points
from model.regions.proposer import Prompts
from model.regions.views import between, warp_masks

LEAST_SHOWN = 0.5  # of a patch, within the original crop: what lies outside is nobody's region
# Which limbs a part query may stand for, from the top down; the one that is seen best takes it.
PARTS_OF_LIMBS = (
    (Limb.HEAD,),
    (Limb.TORSO, Limb.UPPER_ARM_LEFT, Limb.UPPER_ARM_RIGHT),
    (Limb.THIGH_LEFT, Limb.THIGH_RIGHT),
    (Limb.SHIN_LEFT, Limb.SHIN_RIGHT),
)


@dataclass(frozen=True, slots=True)
class Sightings:
    """Where each region lies in each sighting, and which region each part query follows.

    weights: (S, B, R, L), 0 where it is not to be seen. parts: (S, B, K) numbers of regions, below 0 for none.
    """

    weights: Tensor
    parts: Tensor


def pose_sightings(
    keypoints: Tensor,
    masks: Tensor,
    geometry: Tensor,
    grid: tuple[int, int],
    *,
    points: int,
    parts: int,
    generator: torch.Generator,
) -> Sightings:
    """Ten limbs and `points` spots anywhere on the person. Of `parts` queries the first four follow limbs.

    Args:
        keypoints: (2, B, 33, 3) of the anchor and the other frame; masks: (2, B, h, w), uint8.
        geometry: (3, B, 2, 3), from view to crop, of each sighting.
    """
    anchor, other = (PoseRegions(keypoints[frame], masks[frame]) for frame in (0, 1))
    prompts = draw_points(masks[0], points, generator)
    here = torch.cat((anchor.limbs().weights, anchor.propose(prompts).weights), dim=1)  # (B, R, h, w)
    there = torch.cat((other.limbs().weights, other.propose(other.place(anchor.tell(prompts))).weights), dim=1)
    warped = [_shown(area, way, grid) for area, way in zip((here, here, there), geometry, strict=True)]
    weights = torch.stack(warped)  # (S, B, R, L)
    return Sightings(weights, _limb_parts(weights, parts))


def affinity_sightings(
    tokens: Tensor, geometry: Tensor, grid: tuple[int, int], *, points: int, parts: int, generator: torch.Generator
) -> Sightings:
    """Areas that look like the prompted token, one prompt in each of `parts` bands and the rest anywhere.

    Args:
        tokens: (3, B, L, C), the teacher's, of each sighting.
        geometry: as in `pose_sightings`.
    """
    n_tracks = tokens.shape[1]
    prompts = _band_points(n_tracks, max(points, parts), parts, generator).to(tokens.device)
    anchor = AffinityRegions(tokens[0], grid)
    asked = Prompts(prompts, torch.ones(prompts.shape[:2], device=prompts.device))
    here = anchor.propose(asked).weights  # (B, R, down, across)
    second = _shown(here, between(geometry[0], geometry[1]), grid)
    there = AffinityRegions(tokens[2], grid).find(anchor.vectors(asked), asked.inside).flat
    weights = torch.stack((here.flatten(2), second, there))
    own = torch.arange(parts, device=tokens.device).expand(3, n_tracks, parts)
    seen = weights[:, :, :parts].sum(dim=3) > 0
    return Sightings(weights, torch.where(seen, own, -1))


def _shown(area: Tensor, geometry: Tensor, grid: tuple[int, int]) -> Tensor:
    """(B, R, h, w) of an original, onto the patches of a view: (B, R, L)."""
    weights, shown = warp_masks(area, geometry, grid)
    return torch.where((shown >= LEAST_SHOWN)[:, None], weights, 0.0).flatten(2)


def _limb_parts(weights: Tensor, parts: int) -> Tensor:
    """The best seen limb of each part: (S, B, R, L) -> (S, B, K)."""
    seen = weights.sum(dim=3)  # (S, B, R)
    chosen = torch.full((*seen.shape[:2], parts), -1, device=weights.device)
    for part, limbs in enumerate(PARTS_OF_LIMBS[:parts]):
        own = torch.tensor(limbs, device=weights.device)
        most, place = seen[..., own].max(dim=-1)
        chosen[..., part] = torch.where(most > 0, own[place], -1)
    return chosen


def _band_points(n_tracks: int, points: int, bands: int, generator: torch.Generator) -> Tensor:
    """Points (B, P, 2): one in each of `bands` equal bands from the top, then anywhere; near the middle column."""
    place = torch.rand(n_tracks, points, 2, generator=generator)
    place[..., 0] = 0.25 + 0.5 * place[..., 0]
    top = torch.arange(bands) / bands
    place[:, :bands, 1] = top + place[:, :bands, 1] / bands
    return place
