"""The pose network on drawn walkers whose joints are known, and its padding undone."""

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from model.errors import BadClip, BadModelFile
from model.regions.errors import PoseRuntimeMissing
from model.regions.pose import MASK_SIZE, Body, PoseModel
from tests.model.shared_files import shared_file
from tests.regions.drawn import Drawn, draw_walker

NETWORK = "models/pose_landmark_full.tflite"
WALKERS = [1, 2, 3, 5]  # in trousers or short skirts: a long skirt hides the knees from anybody


@pytest.fixture(scope="module")
def pose() -> PoseModel:
    pytest.importorskip("ai_edge_litert")
    return PoseModel(shared_file(NETWORK))


def errors(body: Body, drawn: Drawn) -> NDArray[np.float64]:
    """Distance of each keypoint from its joint, in heights of the picture, of which a person fills nine tenths."""
    found = np.array([body.keypoints[k, :2] for k in drawn.joints])
    apart = found - np.array(list(drawn.joints.values()))
    distances: NDArray[np.float64] = np.hypot(apart[:, 0] * drawn.pixels.shape[1] / drawn.pixels.shape[0], apart[:, 1])
    return distances


@pytest.mark.parametrize("number", WALKERS)
def test_keypoints_land_on_the_joints_and_the_mask_on_the_person(pose: PoseModel, number: int) -> None:
    drawn = draw_walker(number)
    before = drawn.pixels.copy()
    body = pose.body(drawn.pixels)
    assert np.array_equal(drawn.pixels, before)
    assert body.keypoints.shape == (33, 3) and body.keypoints.dtype == np.float32
    assert body.mask.shape == MASK_SIZE and body.mask.dtype == np.uint8
    assert body.score > 0.9
    assert errors(body, drawn).mean() < 0.03
    small = Image.fromarray(drawn.outline.astype(np.float32)).resize(MASK_SIZE[::-1], Image.Resampling.BOX)
    true, seen = np.asarray(small), body.mask / 255
    # Bags are drawn and outlined, but are not the person to the network.
    assert np.minimum(true, seen).sum() / np.maximum(true, seen).sum() > 0.75


@pytest.mark.parametrize(("height", "width"), [(256, 128), (200, 200), (128, 64), (180, 260)])
def test_padding_is_undone_for_crops_of_any_shape(pose: PoseModel, height: int, width: int) -> None:
    drawn = draw_walker(2, yaw=0.0, height=height, width=width)
    body = pose.body(drawn.pixels)
    assert errors(body, drawn).mean() < 0.04
    # The middle of the mask lies where the middle of the person does, in shares of the crop.
    drawn = draw_walker(1, yaw=0.0, height=height, width=width)  # who carries nothing
    mask = pose.body(drawn.pixels).mask
    rows, columns = np.indices(MASK_SIZE) + 0.5
    there = np.argwhere(drawn.outline).mean(axis=0) / (height, width)
    here = [(axis / size * mask).sum() / mask.sum() for axis, size in zip((rows, columns), MASK_SIZE, strict=True)]
    assert np.abs(here - there).max() < 0.03


def test_left_is_the_persons_own(pose: PoseModel) -> None:
    front = draw_walker(3, yaw=0.0)
    body, mirrored = pose.body(front.pixels), pose.body(np.ascontiguousarray(front.pixels[:, ::-1]))
    for left, right in ((11, 12), (13, 14), (23, 24)):
        assert body.keypoints[left, 0] > body.keypoints[right, 0]  # who looks at us has the left on our right
        # A mirrored picture shows another person, whose left is where the right was.
        assert mirrored.keypoints[left, 0] > mirrored.keypoints[right, 0]


def test_extreme_crops_are_taken_and_wrong_arrays_refused(pose: PoseModel) -> None:
    for shape in ((1, 1, 3), (400, 2, 3), (3, 500, 3)):
        body = pose.body(np.zeros(shape, np.uint8))
        assert np.isfinite(body.keypoints).all() and 0 <= body.score <= 1
        assert (body.keypoints[:, 2] >= 0).all() and (body.keypoints[:, 2] <= 1).all()
    for wrong in (np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32), np.zeros((0, 8, 3), np.uint8)):
        with pytest.raises(BadClip, match="convert it to RGB"):
            pose.body(wrong)  # type: ignore[arg-type]


def test_files_that_are_no_pose_network(tmp_path: Path) -> None:
    with pytest.raises(BadModelFile, match="does not exist"):
        PoseModel(tmp_path / "none.tflite")
    pytest.importorskip("ai_edge_litert")
    (tmp_path / "text.tflite").write_text("hello")
    with pytest.raises(BadModelFile, match="fetch it anew"):
        PoseModel(tmp_path / "text.tflite")


def test_a_missing_runtime_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    network = tmp_path / "pose.tflite"
    network.write_bytes(b"anything")
    with pytest.raises(PoseRuntimeMissing, match="extra `train`"):
        PoseModel(network)
