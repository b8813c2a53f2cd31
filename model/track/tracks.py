"""What goes into a tracker and what comes out. Boxes: left, top, right, bottom in pixels, origin top left."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.detect.yolox import Detection
from model.track.errors import BadDetections

Boxes = npt.NDArray[np.float32]  # (n, 4)
Scores = npt.NDArray[np.float32]  # (n,), in [0, 1]


@dataclass(frozen=True, slots=True)
class Detections:
    """Everybody found in one frame, in any order.

    Raises:
        BadDetections: shapes that do not belong together, a box without area, or a number that is none.
    """

    frame: int  # its number in the footage
    time_s: float  # when it was taken, seconds from any start
    boxes: Boxes  # (n, 4)
    scores: Scores  # (n,)

    def __post_init__(self) -> None:
        if self.boxes.shape != (len(self.scores), 4) or self.scores.ndim != 1:
            raise BadDetections(
                f"n people have boxes (n, 4) and scores (n,), and frame {self.frame} has {self.boxes.shape} and "
                f"{self.scores.shape}: give one score a box"
            )
        if not (np.isfinite(self.time_s) and np.isfinite(self.boxes).all() and np.isfinite(self.scores).all()):
            raise BadDetections(f"boxes, scores and time are finite, and those of frame {self.frame} are not")
        if not (self.boxes[:, 2:] > self.boxes[:, :2]).all():
            raise BadDetections(
                f"a box is left, top, right, bottom with right > left and bottom > top, and frame {self.frame} has "
                "one without area: leave it out"
            )

    @classmethod
    def of(cls, frame: int, time_s: float, people: Sequence[Detection]) -> "Detections":
        """What `PersonDetector.detect` found; boxes that were cut to nothing at the picture's edge are left out."""
        kept = [person for person in people if person.box[2] > 0 and person.box[3] > 0]
        boxes = np.array([person.box for person in kept], np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        return cls(frame, time_s, boxes, np.array([person.score for person in kept], np.float32))


@dataclass(frozen=True, slots=True)
class Track:
    """One person followed by one camera: the n frames in which they were seen, in order of time.

    There is no entry for a frame in which the detector missed the person.
    """

    id: int  # from 1, never used twice by one tracker
    frames: npt.NDArray[np.int64]  # (n,)
    times_s: npt.NDArray[np.float64]  # (n,)
    boxes: Boxes  # (n, 4), as detected
    scores: Scores  # (n,)

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def seconds(self) -> float:
        """From the first sight of the person to the last."""
        return float(self.times_s[-1] - self.times_s[0])

    def only(self, rows: npt.NDArray[np.bool_]) -> "Track":
        """The same track without the frames that `rows` (n,) says no to."""
        return Track(self.id, self.frames[rows], self.times_s[rows], self.boxes[rows], self.scores[rows])
