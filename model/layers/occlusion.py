"""Which horizontal bands of a person's frames something hides, and which frames of the video can stand in."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from model.losses.precision import in_float32

BANDS = 3  # K: upper, middle and lower third of a frame
THRESHOLD = 0.89  # tau of VRSTC: a band with a lower score is occluded


def band_features(maps: Tensor) -> Tensor:
    """The mean of each third of the rows of feature maps: (B, T, C, h, w) -> (B, T, K, C).

    Where the rows cannot be divided by three, a row on a border counts for both bands.
    """
    pooled = F.adaptive_avg_pool2d(maps.flatten(0, 1), (BANDS, 1)).squeeze(-1)  # (B T, C, K)
    return pooled.transpose(1, 2).reshape(*maps.shape[:2], BANDS, -1)


@in_float32
def band_scores(features: Tensor) -> Tensor:
    """How much a band looks as the same band does in the rest of the video: 1 is the same, less is stranger.

    With v_t^k the feature of band k in frame t, and v^k its mean over the T frames::

        score_t^k = cos(v_t^k, v^k)

    A band equal to its mean scores 1 even where both are 0, so nothing is strange in a video of one frame.

    Source: Hou et al., "VRSTC", CVPR 2019, section on locating occlusion.

    Args:
        features: (B, T, K, C), of all frames of the video.

    Returns:
        (B, T, K).
    """
    mean = features.mean(dim=1, keepdim=True)  # (B, 1, K, C)
    cosine = F.cosine_similarity(features, mean, dim=3)
    return torch.where((features == mean).all(dim=3), torch.ones_like(cosine), cosine)


def lower_fence(scores: Tensor) -> float:
    """The score below which a band is an outlier among all of a data set, of which most have nothing hidden::

        fence = M - 4 (Q3 - M)    with M the median and Q3 the upper quartile

    This is Tukey's lower fence, Q1 - 1.5 (Q3 - Q1), of scores whose lower half mirrors the upper one. The lower
    quartile itself is not asked, as hidden bands lie in it: on drawn walkers, of which a quarter of the frames has a
    fault, Tukey's own fence found 15 % of the bands more than half of which is blanked, this one 53 %. Nor is a
    threshold between two kinds of scores (Otsu's), which finds 65 %, and cuts through one kind where there is but one:
    of walkers without a fault it calls 31 % of the bands hidden, this one 4 %.

    Args:
        scores: any shape, not empty.
    """
    median, upper = np.quantile(scores.cpu().numpy(), (0.5, 0.75))
    return float(median - 4 * (upper - median))


def band_mask(bands: Tensor, height: int) -> Tensor:
    """The rows of a picture that bands cover: bool (F, K) -> bool (F, 1, H, 1).

    Row y, counted from 0, lies in band floor(K y / H): each row in exactly one.
    """
    band_of_row = torch.arange(height, device=bands.device) * BANDS // height  # (H,)
    return bands[:, band_of_row][:, None, :, None]


def neighbours(occluded: Tensor) -> tuple[Tensor, Tensor]:
    """For each frame the nearest earlier and the nearest later frame in which nothing is hidden.

    Where there is one on one side only (the edges of a video), it stands on both sides; where there is none (all other
    frames are occluded, or T = 1), both are -1. A frame is never its own neighbour. The paper does not tell what
    happens at edges: these rules are assumed.

    Args:
        occluded: (B, T) bool, whether anything of the frame is hidden.

    Returns:
        Two times (B, T) int64, 0 to T - 1 or -1.
    """
    frames = occluded.shape[1]
    place = torch.arange(frames, device=occluded.device)
    earlier = place.masked_fill(occluded, -1).cummax(dim=1).values  # (B, T): the last clear frame up to t
    later = place.masked_fill(occluded, frames).flip(1).cummin(dim=1).values.flip(1)  # the first clear one from t on
    previous = F.pad(earlier[:, :-1], (1, 0), value=-1)
    following = F.pad(later[:, 1:], (0, 1), value=frames)
    following = following.masked_fill(following == frames, -1)
    return torch.where(previous < 0, following, previous), torch.where(following < 0, previous, following)
