"""Footage to tracks of everybody in it, on this machine, without a service: decode, detect, follow."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from PIL import Image

from model.detect.yolox import Detection
from model.track.tracker import TrackerRules, follow
from model.track.tracks import Detections, Track
from service.decode.crops import DecodeLimits
from service.decode.errors import MediaError, WrongKind
from service.decode.sniff import HEAD_BYTES, sniff
from service.decode.tracklet import TURNS
from service.decode.videos import DECODERS, FALLBACK_RATE, VideoFile
from service.local.errors import BadInput

MIN_HEIGHT_PX, MIN_WIDTH_PX = 48, 16  # smaller people are not recognised by anybody
# Films of one's own are trusted further than a client's upload: older cameras and archives code as these.
OWN_DECODERS = DECODERS | {"msmpeg4", "msmpeg4v1", "msmpeg4v2"}
EARLY = 0.07  # of the time between two looks, by which a frame may come too soon: times in files are rounded
Moment = tuple[int, float, VideoFrame]  # number of the frame, seconds, the frame


class Detector(Protocol):
    """What finds people in a picture: `model.detect.yolox.PersonDetector`, or a stand-in."""

    def detect(self, frame: npt.NDArray[np.uint8], *, threshold: float) -> list[Detection]: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which frames are looked at and which tracks are kept."""

    fps: float = 10.0  # frames looked at in a second, or all there are
    min_seconds: float = 1.0  # from the first sight of a person to the last


class Footage:
    """One film, read from its beginning each time it is asked for something.

    Raises (by all it does):
        BadInput: it is no video, or damaged; names the file.
    """

    def __init__(self, path: Path, limits: DecodeLimits) -> None:
        self.path = path
        self._limits = limits

    def n_frames(self) -> int:
        """Frames by the container's word, which may be wrong; 0 when it says nothing."""
        with self._opened() as video:
            return video.n_frames_stated

    def pictures(self, step: Callable[[], None], wanted: Callable[[int, float], bool]) -> Iterator["Picture"]:
        """The upright pictures of the frames whose number and time are wanted. `step` is called for every frame."""
        to_rgb = VideoReformatter()  # one for all frames: each new one sets up its tables again
        with self._opened() as video:
            for number, time_s, frame in _moments(video.frames()):
                if wanted(number, time_s):
                    rgb = Image.fromarray(to_rgb.reformat(frame, format="rgb24").to_ndarray())
                    turn = TURNS.get(frame.rotation)
                    yield Picture(number, time_s, rgb if turn is None else rgb.transpose(turn))
                step()

    @contextmanager
    def _opened(self) -> Iterator[VideoFile]:
        try:
            with self.path.open("rb") as file:
                found = sniff(file.read(HEAD_BYTES))
            if found.kind != "video":
                raise WrongKind(f"footage is a video, and this is {found.media_type}: name a video")
            with VideoFile(self.path, found, self._limits, decoders=OWN_DECODERS) as video:
                yield video
        except (MediaError, OSError) as error:
            raise BadInput(f"{self.path} cannot be cut into tracks: {error}") from error


@dataclass(frozen=True, slots=True)
class Picture:
    """One frame of footage, upright, RGB."""

    number: int
    time_s: float
    image: Image.Image


def find_tracks(
    footage: Footage,
    detector: Detector,
    wanted: Wanted,
    *,
    rules: TrackerRules | None = None,
    step: Callable[[], None],
) -> list[Track]:
    """Everybody who stays long enough, in order of their ids. `step` is called for every frame of the footage.

    Boxes too small for anybody to be recognised are left out.

    Raises:
        BadInput: the footage cannot be decoded to its end.
    """
    rules = rules or TrackerRules()

    def detections() -> Iterator[Detections]:
        for picture in footage.pictures(step, _rate(wanted.fps)):
            found = detector.detect(np.asarray(picture.image), threshold=rules.unsure_score)
            yield Detections.of(picture.number, picture.time_s, found)

    tracks = (_large(track) for track in follow(detections(), rules))
    kept = [track for track in tracks if track is not None and track.seconds >= wanted.min_seconds]
    return sorted(kept, key=lambda track: track.id)


def _moments(frames: Iterator[VideoFrame]) -> Iterator[Moment]:
    """Frames with their numbers and times; one whose time is missing or does not go forward follows at once."""
    last_s = -1 / FALLBACK_RATE
    for number, frame in enumerate(frames):
        is_later = frame.time is not None and (number == 0 or frame.time > last_s)
        last_s = float(frame.time) if is_later and frame.time is not None else last_s + 1 / FALLBACK_RATE
        yield number, last_s, frame


def _rate(fps: float) -> Callable[[int, float], bool]:
    """Whether a frame is wanted: the first in each of the `fps` parts of a second, counted from the first frame."""
    first_s, last = 0.0, -1

    def wanted(number: int, time_s: float) -> bool:
        nonlocal first_s, last
        first_s = time_s if last < 0 else first_s
        part = math.floor((time_s - first_s) * fps + EARLY)
        is_new = part > last
        last = max(last, part)
        return is_new

    return wanted


def _large(track: Track) -> Track | None:
    """The track without the boxes that are too small; None where all are."""
    width, height = (track.boxes[:, 2:] - track.boxes[:, :2]).T
    rows = (height >= MIN_HEIGHT_PX) & (width >= MIN_WIDTH_PX)
    return track.only(rows) if rows.any() else None
