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
from model.regions.views import between, seen_share, to_view, warp_masks

LEAST_SHOWN = 0.5  # of a patch, within the original crop: what lies outside is nobody's region
LEAST_SEEN = 0.25  # of a region, in a view: a sliver says little about the rest
PERSON = ((0.25, 0.0), (0.75, 1.0))  # corners of where a person stands in a crop, for who knows no mask
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

    Prompts lie on what the anchor shows of the crop's middle half, and regions on what each view shows of the crop.

    Args:
        tokens: (3, B, L, C), the teacher's, of each sighting.
        geometry: as in `pose_sightings`.
    """
    n_tracks = tokens.shape[1]
    prompts = _band_prompts(geometry[0], max(points, parts), parts, generator)
    anchor = AffinityRegions(tokens[0], grid)
    here = anchor.propose(prompts).weights  # (B, R, down, across)
    second = _shown(here, between(geometry[0], geometry[1]), grid)
    there = AffinityRegions(tokens[2], grid).find(anchor.vectors(prompts), prompts.inside).flat
    inside = torch.stack([_inside(way, grid) for way in geometry])  # (S, B, 1, L)
    weights = torch.stack((here.flatten(2), second, there)) * inside
    own = torch.arange(parts, device=tokens.device).expand(3, n_tracks, parts)
    seen = weights[:, :, :parts].sum(dim=3) > 0
    return Sightings(weights, torch.where(seen, own, -1))


def _shown(area: Tensor, geometry: Tensor, grid: tuple[int, int]) -> Tensor:
    """(B, R, h, w) of an original, onto the patches of a view that shows enough of each: (B, R, L)."""
    weights, shown = warp_masks(area, geometry, grid)
    enough = seen_share(area, weights, geometry) >= LEAST_SEEN  # (B, R)
    kept = (shown >= LEAST_SHOWN)[:, None] & enough[:, :, None, None]
    return torch.where(kept, weights, 0.0).flatten(2)


def _inside(geometry: Tensor, grid: tuple[int, int]) -> Tensor:
    """1 where a patch of the view shows the crop, and 0 in its padding: (B, 1, L)."""
    whole = torch.ones(len(geometry), 1, 1, 1, device=geometry.device)
    return (warp_masks(whole, geometry, grid)[1] >= LEAST_SHOWN).float().flatten(1)[:, None]


def _limb_parts(weights: Tensor, parts: int) -> Tensor:
    """The best seen limb of each part: (S, B, R, L) -> (S, B, K)."""
    seen = weights.sum(dim=3)  # (S, B, R)
    chosen = torch.full((*seen.shape[:2], parts), -1, device=weights.device)
    for part, limbs in enumerate(PARTS_OF_LIMBS[:parts]):
        own = torch.tensor(limbs, device=weights.device)
        most, place = seen[..., own].max(dim=-1)
        chosen[..., part] = torch.where(most > 0, own[place], -1)
    return chosen


def _band_prompts(geometry: Tensor, count: int, bands: int, generator: torch.Generator) -> Prompts:
    """Points on what a view shows of PERSON: one in each of `bands` equal bands from the top, then anywhere.

    (B, count), drawn on the CPU, where the generator lives. Where a view shows nothing of it, there is no prompt.
    """
    corners = to_view(torch.tensor(PERSON, device=geometry.device).expand(len(geometry), -1, -1), geometry)
    low, high = (edge.clamp(0, 1)[:, None] for edge in (corners.amin(dim=1), corners.amax(dim=1)))  # (B, 1, 2)
    place = torch.rand(len(geometry), count, 2, generator=generator)
    top = torch.arange(bands) / bands
    place[:, :bands, 1] = top + place[:, :bands, 1] / bands
    points = low + (high - low) * place.to(geometry.device)
    return Prompts(points, (high > low).all(dim=2).float().expand(-1, count))
