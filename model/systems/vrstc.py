"""VRSTC: find the bands of frames that something hides, draw them anew, and retrieve by the completed frames.

Source: Hou et al., "VRSTC: Occlusion-Free Video Person Re-Identification", CVPR 2019. Without published code. How the
paper trains, one after the other:

1. The base net: `VRSTCConfig(non_local=False, completion="off")`.
2. STCnet (`model.systems.stcnet`), with the base net both to find frames without occlusion, by the same scores against
   whole videos (`model.training.completion`), and, frozen, to guide it (`Guider`).
3. `complete`, with both, on all training tracks, each a whole video; then the net with non-local blocks on those.

Named assumptions:

- A band's feature is the mean of its third of the last map; border rows count for both bands.
- STCnet draws at its own size: frames are resized to it and what it draws is resized back, and only rows of occluded
  bands are taken from it. All other pixels stay as they were.
- Neighbours at a video's edges, or where there are none: `model.layers.occlusion.neighbours`. A clip of one frame
  equals its own mean, so it has no occluded band and stays as it is.
- The guider sees pictures at the size that the base net was trained with, each as a clip of one frame. Its classifier
  is no trained one, as the paper's is: a run's weights are of its network alone, without the head it learned by, so a
  classifier by the mean features of each person is fitted to the base net (`CompletionTask.fit_guider`).
- Where STCnet learns, a frame's neighbours are those in its training clip, `clips.stride` frames apart.
- The net of the last stage goes on from the base net's trunk; the paper trains a new one.
- Those of STCnet stand where it is defined, `model.systems.stcnet`; among them that its generators and discriminators
  step at once, where the paper's take turns.
- "Whole video": what `features` is given. In retrieval this is one clip of a track, up to eight times T frames
  spread over it (`SystemConfig.sampling`).
- Of a data set every track is a video, and completed once, before the last stage (`model.training.completed`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.layers.frame_trunk import FrameTrunk, TrunkName
from model.layers.non_local_trunk import NonLocalTrunk
from model.layers.occlusion import THRESHOLD, band_features, band_mask, band_scores, neighbours
from model.layers.signed_pixels import normalised, signed
from model.systems.bounds import Cosine
from model.systems.stcnet import STCnet, STCnetConfig, Windows
from model.systems.system import Batch, System, frames_of


@dataclass(frozen=True, slots=True)
class VRSTCConfig:
    """The paper's ReID net, and how frames are completed for it."""

    trunk: TrunkName = "resnet50"
    last_stride: Literal[1, 2] = 1
    height: int = 256
    width: int = 128
    frames: int = 4  # of a clip in training; a track in retrieval is one clip of up to eight times as many
    non_local: bool = True  # False: the base net, frame by frame
    # "features": `features` completes what it is given; `losses` does not, as its data were completed beforehand.
    completion: Literal["off", "features"] = "features"
    # tau: bands with a lower score are occluded. "fence": measured on the training tracks (`lower_fence`), for trunks
    # whose cosines are distributed otherwise than those of the paper's; it then travels with the weights.
    threshold: Cosine | Literal["fence"] = THRESHOLD
    stcnet: STCnetConfig = field(default_factory=STCnetConfig)


class ReIDNet(nn.Module):
    """A trunk, with non-local blocks or without, and the mean over places and frames."""

    def __init__(self, config: VRSTCConfig, *, non_local: bool) -> None:
        super().__init__()
        trunk = FrameTrunk(config.trunk, last_stride=config.last_stride)
        self.dimension = trunk.channels[-1]
        self.trunk = NonLocalTrunk(trunk) if non_local else trunk

    def maps(self, clips: Tensor) -> Tensor:
        """(B, T, 3, H, W) -> (B, T, C, h, w)."""
        as_clips = isinstance(self.trunk, NonLocalTrunk)
        maps: Tensor = self.trunk(clips if as_clips else clips.flatten(0, 1))
        return maps if as_clips else maps.view(*clips.shape[:2], *maps.shape[1:])

    def forward(self, clips: Tensor) -> Tensor:
        """(B, T, 3, H, W) -> (B, D), float32."""
        return self.maps(clips).float().mean(dim=(1, 3, 4))


class Completer(nn.Module):
    """The two trained networks that find and fill occluded bands. Constants: nothing here ever learns.

    locator: a base net of its own, as the scores that tau was chosen for are a base net's. threshold: tau, a scalar;
    -inf where it is to be measured and was not yet: then nothing is hidden.
    """

    threshold: Tensor

    def __init__(self, config: VRSTCConfig) -> None:
        super().__init__()
        tau = -math.inf if config.threshold == "fence" else config.threshold
        # A number is the configuration's to tell, and not the weights'.
        self.register_buffer("threshold", torch.tensor(tau, dtype=torch.float32), persistent=math.isinf(tau))
        self.locator = ReIDNet(config, non_local=False)
        self.stcnet = STCnet(config.stcnet)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        return super().train(False)  # batch norms included, whatever is trained around it

    @torch.no_grad()
    def features(self, clips: Tensor) -> Tensor:
        """Of each band, frame by frame, as the base net sees it: (B, T, 3, H, W), normalised -> (B, T, K, C)."""
        return band_features(self.locator.maps(clips))

    def hidden(self, scores: Tensor) -> Tensor:
        """Which bands are occluded by their scores against the whole video; same shape, bool."""
        return scores < self.threshold.to(scores.device)

    def occluded(self, clips: Tensor) -> Tensor:
        """Which bands are hidden: (B, T, 3, H, W), normalised, each clip a whole video -> (B, T, K) bool."""
        return self.hidden(band_scores(self.features(clips)))

    @torch.no_grad()
    def draw(self, frames: Tensor, windows: Windows, bands: Tensor) -> Tensor:
        """Draw bands (F, K) of frames (F, 3, H, W), normalised, anew; same shape out, all else bit for bit.

        windows: the same frames between their neighbours, at STCnet's size.
        """
        _, drawn = self.stcnet(windows, band_mask(bands, windows.frames.shape[2]))
        size = frames.shape[2], frames.shape[3]
        return torch.where(band_mask(bands, size[0]), normalised(drawn, size).to(frames.dtype), frames)

    @torch.no_grad()
    def complete(self, clips: Tensor) -> Tensor:
        """Draw the occluded bands anew: (B, T, 3, H, W), normalised, same shape out; each clip a whole video."""
        bands = self.occluded(clips)  # (B, T, K)
        hidden = bands.any(dim=2)  # (B, T)
        if not hidden.any():
            return clips
        completed = clips.clone()
        completed[hidden] = self.draw(clips[hidden], self._windows(clips, hidden, hidden), bands[hidden])
        return completed

    @torch.no_grad()
    def windows(self, clips: Tensor, clear: Tensor) -> Windows:
        """What STCnet learns from: the clear frames of clips (B, T, 3, H, W), normalised, between their neighbours.

        Args:
            clear: (B, T) bool, frames without an occluded band in their whole video, which a clip is but a part of: by
                the mean of a few frames, of which it is one itself, a strange frame looks usual. F of them, maybe 0.
                No two of a clip are the same frame: a copy beside it would give the dropped region away.
        """
        return self._windows(clips, ~clear, clear)

    def _windows(self, clips: Tensor, hidden: Tensor, chosen: Tensor) -> Windows:
        """Of the frames that `chosen` (B, T) names, given in which frames something is hidden (B, T)."""
        size = self.stcnet.config.size
        frames = signed(clips.flatten(0, 1), size).view(*clips.shape[:3], *size)  # (B, T, 3, h, w)
        previous, following = (place[chosen] for place in neighbours(hidden))  # (F,)
        clip = chosen.nonzero()[:, 0]  # (F,)
        # Where there are none, both are -1, so some frame is taken that is not looked at.
        return Windows(frames[chosen], frames[clip, previous], frames[clip, following], previous >= 0)


class Guider(nn.Module):
    """A trained base net with its classifier, as STCnet's heads want it: pictures of -1 to 1 -> logits."""

    def __init__(self, net: ReIDNet, classifier: nn.Module, size: tuple[int, int]) -> None:
        """`size`: H and W that the net was trained with."""
        super().__init__()
        self.net, self.classifier, self.size = net, classifier, size

    def forward(self, frames: Tensor) -> Tensor:
        """(F, 3, h, w), values -1 to 1 -> (F, P)."""
        logits: Tensor = self.classifier(self.net(normalised(frames, self.size)[:, None]))
        return logits


class VRSTC(System):
    """The ReID net, and with a config that completes, what completes for it.

    After training its parts, give it their weights::

        system.completer.locator.load_state_dict(base.net.state_dict())
        system.completer.stcnet.load_state_dict(stcnet.state_dict())
    """

    fixed = False
    whole = True

    def __init__(self, config: VRSTCConfig) -> None:
        super().__init__()
        self.config = config
        self.net = ReIDNet(config, non_local=config.non_local)
        self.completer = None if config.completion == "off" else Completer(config)
        self.frames, self.dimension = config.frames, self.net.dimension

    def features(self, clips: Tensor) -> Tensor:
        if self.completer is None:
            self._check(clips)
        else:
            clips = self.complete(clips)
        features: Tensor = self.net(clips)
        return features

    def complete(self, clips: Tensor) -> Tensor:
        """Draw what is hidden anew: (B, T, 3, H, W), normalised, each clip a whole video; same shape out.

        Pixels outside occluded bands come back bit for bit.

        Raises:
            ValueError: the configuration has switched completion off, or the clips have a wrong shape.
        """
        self._check(clips)
        if self.completer is None:
            raise ValueError('completion="off" leaves nothing to complete with: take "features"')
        return self.completer.complete(clips)

    def training_heads(self, n_persons: int) -> nn.Module:
        return nn.Linear(self.dimension, n_persons)

    def losses(self, batch: Batch, heads: nn.Module) -> Mapping[str, Tensor]:
        """Cross-entropy of the clips' features, without smoothing; the paper trains by nothing else.

        The clips are taken as they are: what is hidden in them has been drawn anew before.
        """
        self._check(batch.clips)
        return {"identity": F.cross_entropy(heads(self.net(batch.clips)).float(), batch.person)}

    def _check(self, clips: Tensor) -> None:
        """Raises ValueError for what are not clips of at least one frame of the configured size."""
        frames_of(clips, self.config.height, self.config.width)
