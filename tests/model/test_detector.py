"""The person detector: its arithmetic against literal readings, and real people in real footage."""

import math
from itertools import islice

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from model.detect.letterbox import GREY, fit
from model.detect.nms import overlap, suppress
from model.detect.yolox import PersonDetector, decode, grid
from model.errors import BadClip, BadModelFile
from tests.model.shared_files import shared_file

NETWORKS = ["yolox_nano_416.onnx", "light_person_detector_192.onnx"]
# Frames in which one of six people stands well inside the picture, and frames in which nobody is there.
SOMEBODY = [100, 150, 280, 400, 560, 640, 780, 830, 960, 1100, 1270, 1320]
NOBODY = [10, 215, 460, 490, 720, 890, 1215, 1380]


def frames_of_footage(wanted: list[int]) -> dict[int, NDArray[np.uint8]]:
    """RGB frames (432, 768, 3) by number."""
    with av.open(str(shared_file("video/intel_one_by_one.mp4"))) as container:
        numbered = enumerate(islice(container.decode(video=0), max(wanted) + 1))
        return {
            number: frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
            for number, frame in numbered
            if number in wanted
        }


@pytest.mark.parametrize("network", NETWORKS)
def test_finds_each_person_once_and_nobody_where_nobody_is(network: str) -> None:
    detector = PersonDetector(shared_file(f"models/{network}"))
    frames = frames_of_footage(SOMEBODY + NOBODY)
    found = {number: detector.detect(frame) for number, frame in frames.items()}
    assert {number: len(found[number]) for number in SOMEBODY} == dict.fromkeys(SOMEBODY, 1)
    assert {number: len(found[number]) for number in NOBODY} == dict.fromkeys(NOBODY, 0)
    for number in SOMEBODY:
        x, y, width, height = found[number][0].box
        assert x >= 0 and y >= 0 and x + width <= 768 and y + height <= 432
        assert height > 300 and height > 1.5 * width
        assert 0.5 <= found[number][0].score <= 1


def test_threshold_and_order() -> None:
    detector = PersonDetector(shared_file("models/yolox_nano_416.onnx"))
    frame = frames_of_footage([100])[100]
    before = frame.copy()
    two = np.concatenate([frame, frame[:, 200:600]], axis=1)
    people = detector.detect(two, threshold=0.3)
    assert len(people) >= 2
    assert [person.score for person in people] == sorted((person.score for person in people), reverse=True)
    assert detector.detect(two, threshold=0.999) == []
    assert len(detector.detect(two, threshold=0.3, overlap_limit=1.0)) > len(people)
    assert np.array_equal(frame, before)


def test_a_tall_narrow_picture_and_a_tiny_one_are_taken() -> None:
    detector = PersonDetector(shared_file("models/light_person_detector_192.onnx"))
    person = frames_of_footage([280])[280][:, 330:590]
    (found,) = detector.detect(np.ascontiguousarray(person))
    assert found.box[0] + found.box[2] <= 260
    assert detector.detect(np.zeros((1, 1, 3), np.uint8)) == []
    for wrong in (np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32), np.zeros((0, 8, 3), np.uint8)):
        with pytest.raises(BadClip, match="convert it to RGB"):
            detector.detect(wrong)  # type: ignore[arg-type]


def test_a_network_that_is_no_yolox_is_refused() -> None:
    with pytest.raises(BadModelFile, match="takes"):
        PersonDetector(shared_file("models/retail-0248.onnx"))
    with pytest.raises(BadModelFile, match="gives"):
        PersonDetector(shared_file("models/osnet_x0_25_msmt17.onnx"))


def test_decode_against_a_literal_reading() -> None:
    height, width = 64, 96
    cells, strides = grid(height, width)
    assert len(cells) == len(strides) == 8 * 12 + 4 * 6 + 2 * 3
    output = np.random.default_rng(0).normal(size=(len(cells), 7)).astype(np.float32)
    corners, scores = decode(output, cells, strides)
    row = 0
    for stride in (8, 16, 32):
        for y in range(height // stride):
            for x in range(width // stride):
                dx, dy, log_w, log_h, something, person, _ = output[row].tolist()
                centre_x, centre_y = (x + dx) * stride, (y + dy) * stride
                box_w, box_h = math.exp(log_w) * stride, math.exp(log_h) * stride
                want = [centre_x - box_w / 2, centre_y - box_h / 2, centre_x + box_w / 2, centre_y + box_h / 2]
                assert corners[row].tolist() == pytest.approx(want, rel=1e-4, abs=1e-3)
                assert scores[row] == pytest.approx(something * person, rel=1e-5)
                row += 1


def test_decode_survives_absurd_sizes() -> None:
    cells, strides = grid(32, 32)
    output = np.full((len(cells), 6), 1000, np.float32)
    corners, _ = decode(output, cells, strides)
    _, letterbox = fit(np.zeros((50, 40, 3), np.uint8), 32, 32)
    restored = letterbox.restore(corners)
    assert restored[:, :2].min() >= 0
    assert restored[:, 2].max() <= 40 and restored[:, 3].max() <= 50


def literal_overlap(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Counted cell by cell of the integer grid."""
    cells_a = {(x, y) for x in range(int(a[0]), int(a[2])) for y in range(int(a[1]), int(a[3]))}
    cells_b = {(x, y) for x in range(int(b[0]), int(b[2])) for y in range(int(b[1]), int(b[3]))}
    union = cells_a | cells_b
    return len(cells_a & cells_b) / len(union) if union else 0.0


def literal_suppress(boxes: NDArray[np.float32], scores: NDArray[np.float32], limit: float) -> list[int]:
    kept: list[int] = []
    for row in sorted(range(len(boxes)), key=lambda row: -float(scores[row])):
        if all(literal_overlap(boxes[row], boxes[better]) <= limit for better in kept):
            kept.append(row)
    return kept


@pytest.mark.parametrize("seed", range(10))
def test_suppression_against_a_literal_reading(seed: int) -> None:
    random = np.random.default_rng(seed)
    left_top = random.integers(0, 12, (20, 2))
    boxes = np.concatenate([left_top, left_top + random.integers(0, 12, (20, 2))], axis=1).astype(np.float32)
    scores = random.random(20).astype(np.float32)
    want = [literal_overlap(boxes[0], other) for other in boxes]
    assert overlap(boxes[0], boxes).tolist() == pytest.approx(want)
    for limit in (0.0, 0.3, 0.45, 1.0):
        assert suppress(boxes, scores, limit) == literal_suppress(boxes, scores, limit)
    assert suppress(boxes[:0], scores[:0], 0.5) == []


@pytest.mark.parametrize(("height", "width"), [(40, 80), (80, 40), (64, 64), (1, 500), (13, 7)])
def test_letterbox_keeps_shape_and_gives_boxes_back(height: int, width: int) -> None:
    frame = np.full((height, width, 3), 200, np.uint8)
    boxed, letterbox = fit(frame, 64, 64)
    assert boxed.shape == (64, 64, 3)
    covered = (boxed == 200).all(axis=2)
    assert (boxed[~covered] == GREY).all()
    rows, columns = covered.any(axis=1).sum(), covered.any(axis=0).sum()
    assert max(rows, columns) == 64
    whole = letterbox.restore(np.array([[0, 0, columns, rows]], np.float32))[0]
    assert whole.tolist() == pytest.approx([0, 0, width, height], abs=1 / letterbox.scale)
