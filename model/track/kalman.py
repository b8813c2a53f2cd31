"""Where a person's box will be: a Kalman filter whose centre moves with a constant velocity.

Centre x, centre y, width and height are filtered each by itself, a state of value and velocity. All noise is a share
of the person's height, as in SORT and DeepSORT (Wojke et al. 2017), but a rate in continuous time: white-noise
acceleration of the centre (Bar-Shalom et al., Estimation with Applications, section 6.2.2), a random walk of the size.
So predicting 0.3 s equals predicting 0.1 s three times, and the tracker may look at frames at any rate or at none.
Sizes have no velocity: somebody hidden for a while would else shrink to nothing or grow over the whole picture.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MEASURED = 0.05  # standard deviation of a detected centre, width or height; share of the height
START_SPEED = 1.0  # standard deviation of the velocity of a new person; heights a second
ACCELERATION = 0.3  # of the centre; heights a second, growing with the root of time
RESIZING = 0.2  # of width and height; heights, growing with the root of time

_MOVES = np.array([1.0, 1.0, 0.0, 0.0])  # centre x, centre y; width and height have no velocity
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Motion:
    """What is known of a box at one moment. Rows: centre x, centre y, width, height; pixels and pixels a second."""

    mean: Floats  # (4, 2): value, velocity
    covariance: Floats  # (4, 2, 2)

    @classmethod
    def start(cls, box: npt.NDArray[np.float32]) -> "Motion":
        """A box (left, top, right, bottom) seen for the first time: its velocity is unknown."""
        values = _values(box)
        covariance = np.zeros((4, 2, 2))
        covariance[:, 0, 0] = (MEASURED * values[3]) ** 2
        covariance[:, 1, 1] = (START_SPEED * values[3] * _MOVES) ** 2
        return cls(np.stack([values, np.zeros(4)], axis=1), covariance)

    @property
    def box(self) -> Floats:
        """Left, top, right, bottom (4,)."""
        centre, size = self.mean[:2, 0], self.mean[2:, 0]
        return np.concatenate([centre - size / 2, centre + size / 2])

    def predict(self, seconds: float) -> "Motion":
        """The same box so much later, unseen meanwhile."""
        step = np.array([[1.0, seconds], [0.0, 1.0]])
        return Motion(self.mean @ step.T, step @ self.covariance @ step.T + self._noise(seconds))

    def update(self, box: npt.NDArray[np.float32]) -> "Motion":
        """The same moment, after the box (left, top, right, bottom) was seen there."""
        uncertainty = self.covariance[:, 0, 0] + (MEASURED * self.mean[3, 0]) ** 2
        gain = self.covariance[:, :, 0] / uncertainty[:, None]  # (4, 2)
        mean = self.mean + gain * (_values(box) - self.mean[:, 0])[:, None]
        return Motion(mean, self.covariance - gain[:, :, None] * self.covariance[:, None, 0, :])

    def _noise(self, seconds: float) -> Floats:
        """What may have changed unseen, (4, 2, 2)."""
        height = self.mean[3, 0]
        pushed = (ACCELERATION * height) ** 2 * np.array([[seconds**3 / 3, seconds**2 / 2], [seconds**2 / 2, seconds]])
        resized = (RESIZING * height) ** 2 * np.array([[seconds, 0.0], [0.0, 0.0]])
        noise: Floats = np.where(_MOVES[:, None, None] > 0, pushed, resized)
        return noise


def _values(box: npt.NDArray[np.float32]) -> Floats:
    """Centre x, centre y, width, height (4,)."""
    left, top, right, bottom = box.astype(np.float64)
    return np.array([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top])
