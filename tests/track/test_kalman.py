"""The filter against its textbook form, and what must hold for it at any frame rate."""

import numpy as np
import numpy.typing as npt
import pytest

from model.track.kalman import ACCELERATION, MEASURED, RESIZING, START_SPEED, Motion

BOX = np.array([100, 50, 140, 150], np.float32)


class Textbook:
    """The same filter with 8 x 8 matrices and inverses, as books write it. State: x, y, w, h and their velocities."""

    def __init__(self, box: npt.NDArray[np.float32]) -> None:
        height = float(box[3] - box[1])
        self.x = np.array([*self.measured(box), 0, 0, 0, 0])
        speed = (START_SPEED * height) ** 2
        self.p = np.diag([(MEASURED * height) ** 2] * 4 + [speed, speed, 0, 0])

    @staticmethod
    def measured(box: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        left, top, right, bottom = box.tolist()
        return np.array([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top])

    def predict(self, dt: float) -> None:
        height = self.x[3]
        f, q = np.eye(8), np.zeros((8, 8))
        for axis in (0, 1):
            f[axis, 4 + axis] = dt
            density = (ACCELERATION * height) ** 2
            q[axis, axis] = density * dt**3 / 3
            q[axis, 4 + axis] = q[4 + axis, axis] = density * dt**2 / 2
            q[4 + axis, 4 + axis] = density * dt
        for axis in (2, 3):
            f[axis, 4 + axis] = dt
            q[axis, axis] = (RESIZING * height) ** 2 * dt
        self.x = f @ self.x
        self.p = f @ self.p @ f.T + q

    def update(self, box: npt.NDArray[np.float32]) -> None:
        h = np.eye(4, 8)
        r = np.eye(4) * (MEASURED * self.x[3]) ** 2
        k = self.p @ h.T @ np.linalg.inv(h @ self.p @ h.T + r)
        self.x = self.x + k @ (self.measured(box) - h @ self.x)
        self.p = (np.eye(8) - k @ h) @ self.p


def assert_same(motion: Motion, book: Textbook) -> None:
    np.testing.assert_allclose(motion.mean.T.ravel(), book.x, rtol=1e-9, atol=1e-9)
    for i in range(2):
        for j in range(2):
            block = np.diag(book.p[4 * i : 4 * i + 4, 4 * j : 4 * j + 4])
            np.testing.assert_allclose(motion.covariance[:, i, j], block, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_textbook_filter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    motion, book = Motion.start(BOX), Textbook(BOX)
    assert_same(motion, book)
    box = BOX
    for _ in range(20):
        dt = float(rng.uniform(0.02, 0.5))
        motion = motion.predict(dt)
        book.predict(dt)
        assert_same(motion, book)
        if rng.uniform() < 0.7:
            box = box + rng.normal(0, 5, 4).astype(np.float32)
            motion = motion.update(box)
            book.update(box)
            assert_same(motion, book)


def test_predicting_at_once_or_in_steps_is_the_same() -> None:
    motion = Motion.start(BOX).predict(0.1).update(BOX + np.float32(8))
    at_once = motion.predict(0.6)
    in_steps = motion.predict(0.1).predict(0.2).predict(0.3)
    np.testing.assert_allclose(at_once.mean, in_steps.mean, rtol=1e-12)
    np.testing.assert_allclose(at_once.covariance, in_steps.covariance, rtol=1e-9, atol=1e-12)
    still = motion.predict(0)
    np.testing.assert_array_equal(still.mean, motion.mean)
    np.testing.assert_array_equal(still.covariance, motion.covariance)


@pytest.mark.parametrize("fps", [5, 12.5, 30])
def test_it_learns_a_velocity_at_any_frame_rate(fps: float) -> None:
    speed = np.array([60, -20, 60, -20], np.float32)  # pixels a second
    motion = Motion.start(BOX)
    for frame in range(1, round(3 * fps)):
        motion = motion.predict(1 / fps).update(BOX + speed * np.float32(frame / fps))
    np.testing.assert_allclose(motion.mean[:, 1], [60, -20, 0, 0], atol=1)
    last_s = (round(3 * fps) - 1) / fps
    np.testing.assert_allclose(motion.predict(1).box, BOX + speed * (last_s + 1), atol=3)


def test_scaling_the_picture_scales_everything() -> None:
    path = [BOX, BOX + np.float32(6), BOX + np.float32(10)]
    small, large = Motion.start(path[0]), Motion.start(path[0] * 4)
    for box in path[1:]:
        small, large = small.predict(0.2).update(box), large.predict(0.2).update(box * 4)
    np.testing.assert_allclose(large.mean, small.mean * 4)
    np.testing.assert_allclose(large.covariance, small.covariance * 16)


def test_uncertainty_grows_unseen_and_shrinks_when_seen_and_nothing_is_changed_in_place() -> None:
    motion = Motion.start(BOX)
    mean, covariance = motion.mean.copy(), motion.covariance.copy()
    later = motion.predict(0.5)
    assert (later.covariance[:, 0, 0] > covariance[:, 0, 0]).all()
    assert (later.update(BOX).covariance[:, 0, 0] < later.covariance[:, 0, 0]).all()
    np.testing.assert_array_equal(motion.mean, mean)
    np.testing.assert_array_equal(motion.covariance, covariance)
    np.testing.assert_allclose(motion.box, BOX)
