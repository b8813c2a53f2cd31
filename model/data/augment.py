"""Augmentation on the device: one draw a clip, so that video stays consistent, and geometry that stays known."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# Brightness of RGB (ITU-R BT.601), and rotation of hue about the grey axis in the same linear step.
LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True, slots=True)
class AugmentPlan:
    """How strong each change is; 0 switches it off. Shifts and sizes are parts of the crop's height and width."""

    flip: float = 0.5  # probability
    scale: tuple[float, float] = (0.9, 1.1)  # of what is seen: below 1 comes nearer
    shift: float = 0.06
    brightness: float = 0.3
    contrast: float = 0.3
    saturation: float = 0.3
    hue: float = 0.05  # of a turn
    grey: float = 0.05  # probability
    blur: float = 0.2  # probability
    erase: float = 0.5  # probability, a frame
    erase_area: tuple[float, float] = (0.02, 0.25)


@dataclass(frozen=True, slots=True)
class Views:
    """Augmented frames and where they come from.

    frames: (F, 3, H, W), float32, 0-255. geometry: (F, 2, 3), maps normalised coordinates (x, y) in [0, 1] of the view
    to those of the crop it was made from.
    """

    frames: Tensor
    geometry: Tensor


def augment(frames: Tensor, clip: Tensor, plan: AugmentPlan, generator: torch.Generator) -> Views:
    """Augment frames (F, 3, H, W), 0-255, of which those with the same number in `clip` (F,) change alike.

    Only the erased rectangle is drawn for each frame: what hides a person does not stay.
    """
    n_clips = int(clip.max()) + 1
    geometry = _geometry(n_clips, plan, generator).to(frames.device)[clip]
    seen = _colour(_warp(frames.float(), geometry), clip, n_clips, plan, generator)
    seen = _blur(seen, _chosen(n_clips, plan.blur, generator).to(frames.device)[clip])
    return Views(_erase(seen, plan, generator), geometry)


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator) * (high - low) + low


def _chosen(n: int, probability: float, generator: torch.Generator) -> Tensor:
    return torch.rand(n, generator=generator) < probability


def _geometry(n_clips: int, plan: AugmentPlan, generator: torch.Generator) -> Tensor:
    """(n, 2, 3): view to crop, in normalised coordinates, about the middle."""
    size = _uniform((n_clips,), *plan.scale, generator)
    sign = 1 - 2 * _chosen(n_clips, plan.flip, generator).float()
    moved = _uniform((n_clips, 2), -plan.shift, plan.shift, generator)
    matrix = torch.zeros(n_clips, 2, 3)
    matrix[:, 0, 0], matrix[:, 1, 1] = size * sign, size
    matrix[:, :, 2] = 0.5 + moved - 0.5 * torch.stack((size * sign, size), dim=1)
    return matrix


def _warp(frames: Tensor, geometry: Tensor) -> Tensor:
    """What each view sees of its crop; black outside."""
    linear, shift = geometry[:, :, :2], geometry[:, :, 2]
    # torch's grids run from -1 to 1: u = 2 x - 1 on both sides of x' = A x + t.
    theta = torch.cat((linear, (linear.sum(dim=2) + 2 * shift - 1)[:, :, None]), dim=2)
    grid = F.affine_grid(theta, list(frames.shape), align_corners=False)
    return F.grid_sample(frames, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _colour(frames: Tensor, clip: Tensor, n_clips: int, plan: AugmentPlan, generator: torch.Generator) -> Tensor:
    """Brightness, contrast, saturation, hue and grey as one linear map of RGB a clip."""
    luma = torch.tensor(LUMA)
    gain = 1 + _uniform((n_clips, 1, 1), -plan.brightness, plan.brightness, generator)
    contrast = 1 + _uniform((n_clips, 1, 1), -plan.contrast, plan.contrast, generator)
    saturation = 1 + _uniform((n_clips, 1, 1), -plan.saturation, plan.saturation, generator)
    saturation = torch.where(_chosen(n_clips, plan.grey, generator)[:, None, None], 0.0, saturation)
    angle = 2 * torch.pi * _uniform((n_clips,), -plan.hue, plan.hue, generator)
    saturated = saturation * torch.eye(3) + (1 - saturation) * luma.expand(3, 3)
    matrix = (gain * contrast * saturated @ _hue(angle)).to(frames.device)[clip]  # (F, 3, 3)
    # Contrast is about the mean brightness of the frame, which itself is changed by the gain.
    mean = (frames.mean(dim=(2, 3)) @ luma.to(frames.device))[:, None]  # (F, 1)
    offset = (gain * (1 - contrast)).to(frames.device)[clip][:, :, 0] * mean  # (F, 1)
    changed = torch.einsum("fij,fjhw->fihw", matrix, frames) + offset[:, :, None, None]
    return changed.clamp_(0, 255)


def _hue(angle: Tensor) -> Tensor:
    """Rotations about the grey axis (Rodrigues' formula): (n,) radians -> (n, 3, 3)."""
    axis = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / 3**0.5
    sine, cosine = angle.sin()[:, None, None], angle.cos()[:, None, None]
    return cosine * torch.eye(3) + sine * axis + (1 - cosine) / 3 * torch.ones(3, 3)


def _blur(frames: Tensor, chosen: Tensor) -> Tensor:
    """A 3 x 3 binomial blur of the chosen frames, twice: about what a loss of half the resolution does."""
    if not chosen.any():
        return frames
    some = frames[chosen]
    for _ in range(2):  # on a CPU three times as fast as a convolution
        edged = F.pad(some, (1, 1, 1, 1), mode="replicate")
        rows = edged[:, :, :-2] + 2 * edged[:, :, 1:-1] + edged[:, :, 2:]
        some = (rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]) / 16
    frames = frames.clone()
    frames[chosen] = some
    return frames


def _erase(frames: Tensor, plan: AugmentPlan, generator: torch.Generator) -> Tensor:
    """Random erasing (Zhong et al., AAAI 2020): a rectangle of noise on some frames."""
    n_frames, _, height, width = frames.shape
    chosen = _chosen(n_frames, plan.erase, generator)
    area = _uniform((n_frames,), *plan.erase_area, generator)
    ratio = torch.exp(_uniform((n_frames,), -1.2, 1.2, generator))
    # A crop is twice as high as wide, so a ratio of 1 is a square in pixels where parts of height and width are equal.
    high = (area * ratio).sqrt().clamp(max=1.0)
    wide = (area / ratio).sqrt().clamp(max=1.0)
    top = torch.rand(n_frames, generator=generator) * (1 - high)
    left = torch.rand(n_frames, generator=generator) * (1 - wide)
    y = (torch.arange(height) + 0.5) / height
    x = (torch.arange(width) + 0.5) / width
    rows = (y >= top[:, None]) & (y < (top + high)[:, None])  # (F, H)
    columns = (x >= left[:, None]) & (x < (left + wide)[:, None])  # (F, W)
    hidden = (chosen[:, None, None] & rows[:, :, None] & columns[:, None, :]).to(frames.device)  # (F, H, W)
    noise = (torch.rand(n_frames, 3, 1, 1, generator=generator) * 255).to(frames.device)
    return torch.where(hidden[:, None], noise, frames)
