"""From a video of one person to clips: which frames, each cut and resized, in bounded memory.

How many frames there are is known only at the end. So frames are chosen by what the container states, the statement is
checked by counting, and only where it was wrong is the file decoded a second time. What is held is never more than
T x max_clips crops.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from PIL import Image
from PIL.Image import Transpose

from model.sampling import Sampling, frame_indices
from service.decode.crops import Box, CropSampling, DecodeLimits
from service.decode.picture import View, jpeg
from service.decode.sniff import Format
from service.decode.videos import VideoFile

# Degrees counter-clockwise that make a frame upright.
TURNS = {90: Transpose.ROTATE_90, 180: Transpose.ROTATE_180, -180: Transpose.ROTATE_180, -90: Transpose.ROTATE_270}


@dataclass(frozen=True, slots=True)
class Tracklet:
    """The clips of one video: uint8 RGB (n, T, H, W, 3), each padded to T by repeating its last frame."""

    clips: npt.NDArray[np.uint8]
    lengths: list[int]
    n_frames: int
    seconds: float
    view: View
    thumbnail: bytes


def upright_view(frame: VideoFrame, box: Box | None) -> View:
    """The box of a frame, turned as the file's display matrix says.

    Raises:
        BadBox: it does not lie inside the upright frame.
    """
    return View.of(frame.width, frame.height, TURNS.get(frame.rotation), box)


def crop_video(
    path: Path, found: Format, limits: DecodeLimits, sampling: CropSampling, box: Box | None, *, thumbnail: bool
) -> Tracklet:
    """Decode the whole video and crop the frames that the sampling rule chooses.

    Raises:
        MediaError: as `VideoFile` and `View.of`.
    """
    rule = Sampling(sampling.frames, sampling.height, sampling.width, sampling.max_clips, sampling.rule)
    with VideoFile(path, found, limits) as video:
        kept = _Kept(sampling, box, _Plan.of(video.n_frames_stated, rule), thumbnail=thumbnail)
        for frame in video.frames():
            kept.see(frame)
    plan = _Plan.of(video.n_frames, rule)
    if not kept.fulfils(plan):
        kept = _again(path, found, limits, _Kept(sampling, box, plan, thumbnail=thumbnail))
    lengths = [len(indices) for indices in frame_indices(video.n_frames, rule)]
    return Tracklet(
        clips=kept.clips(lengths),
        lengths=lengths,
        n_frames=video.n_frames,
        seconds=video.seconds,
        view=kept.view,
        thumbnail=jpeg(kept.thumbnails[plan.middle]) if thumbnail else b"",
    )


def _again(path: Path, found: Format, limits: DecodeLimits, kept: "_Kept") -> "_Kept":
    """Decode once more, as far as the last frame wanted."""
    last = max(kept.plan.places)
    with VideoFile(path, found, limits) as video:
        for frame in video.frames():
            kept.see(frame)
            if video.n_frames > last:
                break
    return kept


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which frames to keep, at which place in the row of crops, and which of them is the thumbnail."""

    places: dict[int, int]
    middle: int

    @classmethod
    def of(cls, n_frames: int, rule: Sampling) -> "_Plan":
        """The plan for a video of so many frames; all that can be held when the number is 0, unknown."""
        held = rule.frames * rule.max_clips
        if n_frames <= held:  # a short one is kept whole, even if it turns out to be a little longer
            return cls({index: index for index in range(held)}, max(0, n_frames - 1) // 2)
        chosen = np.concatenate(frame_indices(n_frames, rule)).tolist()
        return cls({index: place for place, index in enumerate(chosen)}, chosen[(held - 1) // 2])


class _Kept:
    """The crops of the planned frames, in one row that is filled while the video is decoded."""

    def __init__(self, sampling: CropSampling, box: Box | None, plan: _Plan, *, thumbnail: bool) -> None:
        self.plan = plan
        self.thumbnails: dict[int, Image.Image] = {}
        self._size = sampling.height, sampling.width
        self._n_clip_frames = sampling.frames
        self._box = box
        self._thumbnail = thumbnail
        self._row = np.empty((sampling.max_clips * sampling.frames, *self._size, 3), np.uint8)
        self._n_seen = 0
        self._view: View | None = None
        self._to_rgb = VideoReformatter()  # one for all frames: each new one sets up its tables again

    @property
    def view(self) -> View:
        """How the frames are looked at; the first frame decides."""
        assert self._view is not None, "no frame was seen"
        return self._view

    def see(self, frame: VideoFrame) -> None:
        """Take the next frame, keep it if that is planned."""
        index = self._n_seen
        self._n_seen += 1
        view = self._viewed(frame)
        place = self.plan.places.get(index)
        if place is None:
            return
        rgb = self._to_rgb.reformat(frame, format="rgb24").to_ndarray()
        wants_thumbnail = self._thumbnail and index == self.plan.middle
        if not wants_thumbnail and rgb.shape[:2] == self._size and view.is_plain:
            self._row[place] = rgb
            return
        cut = view.cut(Image.fromarray(rgb))
        self._row[place] = view.crop(cut, *self._size)
        if wants_thumbnail:
            self.thumbnails[index] = view.thumbnail(cut)

    def fulfils(self, plan: _Plan) -> bool:
        """Whether what was kept is what `plan` wants of the frames there are."""
        wanted = {index: place for index, place in plan.places.items() if index < self._n_seen}
        return wanted.items() <= self.plan.places.items() and (not self._thumbnail or plan.middle in self.thumbnails)

    def clips(self, lengths: list[int]) -> npt.NDArray[np.uint8]:
        """The crops as (n, T, H, W, 3), each clip padded with its last frame."""
        clips = self._row[: len(lengths) * self._n_clip_frames].reshape(-1, self._n_clip_frames, *self._size, 3)
        end = sum(lengths)
        # From the last clip to the first: a clip is padded where none before it lies any more.
        for clip, length in zip(reversed(clips), reversed(lengths), strict=True):
            clip[:length] = self._row[end - length : end]
            clip[length:] = clip[length - 1]
            end -= length
        return clips

    def _viewed(self, frame: VideoFrame) -> View:
        """The view of this frame: the first one's, unless the stream changes its size on the way."""
        view = self._view
        if view is None or (view.width, view.height) != (frame.width, frame.height):
            view = upright_view(frame, self._box)
            self._view = self._view or view
        return view
