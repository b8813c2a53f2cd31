"""From footage to tracks: which frames are looked at, which people are kept, and real people in real footage."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.detect.yolox import PersonDetector
from service.local.errors import BadInput
from service.local.footage import Footage, Wanted, find_tracks
from service.local.track_folder import cut_edges
from tests.decode.samples import LIMITS, write_sound, write_video
from tests.model.shared_files import shared_file
from tests.track.red_boxes import HEIGHT, WIDTH, RedDetector, film, frames
from tests.track.street import street

# The six people of the film: about the frames between which each is there.
SIX = [(60, 195), (235, 440), (515, 680), (760, 850), (930, 1200), (1250, 1350)]


def nothing() -> None:
    pass


@pytest.mark.timeout(120)
def test_six_real_people_are_six_tracks() -> None:
    footage = Footage(shared_file("video/intel_one_by_one.mp4"), LIMITS)
    detector = PersonDetector(shared_file("models/light_person_detector_192.onnx"))
    tracks = find_tracks(footage, detector, Wanted(fps=10 / 3, min_seconds=2), step=nothing)
    assert len(tracks) == 6, [track.frames[[0, -1]].tolist() for track in tracks]
    for track, (first, last) in zip(tracks, SIX, strict=True):
        assert abs(track.frames[0] - first) < 40 and abs(track.frames[-1] - last) < 40
        assert set(np.diff(track.frames).tolist()) <= {3, 6, 9}  # every third frame was looked at
        assert len(track) > 0.7 * (last - first) / 3


def test_drawn_people_are_followed_by_a_real_detector(tmp_path: Path) -> None:
    path = write_video(tmp_path / "street.mp4", list(street(3, 9)), rate=10)
    detector = PersonDetector(shared_file("models/yolox_nano_416.onnx"))
    tracks = find_tracks(Footage(path, LIMITS), detector, Wanted(), step=nothing)
    # They set out 2 s apart and take 5 s.
    assert [round(float(track.times_s[0]) / 2) for track in tracks] == [0, 1, 2]
    assert all(3.5 < track.seconds < 5.5 for track in tracks)
    centres = [track.boxes[:, [0, 2]].mean(axis=1) for track in tracks]
    assert all(np.diff(centre).min() > -15 and centre[-1] - centre[0] > 300 for centre in centres)


def test_a_box_is_followed_in_pixels_of_the_picture(tmp_path: Path) -> None:
    detector, seen = RedDetector(), []
    footage = Footage(film(tmp_path / "a.mp4"), LIMITS)
    (track,) = find_tracks(footage, detector, Wanted(), step=lambda: seen.append(1))
    assert track.frames.tolist() == list(range(30)) and len(seen) == 30
    np.testing.assert_allclose(track.times_s, np.arange(30) / 10, atol=1e-6)
    np.testing.assert_allclose(track.boxes[0], [10, 20, 40, 100], atol=2)
    np.testing.assert_allclose(track.boxes[-1], [68, 20, 98, 100], atol=2)
    assert footage.n_frames() == 30


@pytest.mark.parametrize(
    ("rotation", "box"), [(90, (20, 130, 100, 190)), (-90, (20, 10, 100, 70)), (180, (130, 20, 190, 100))]
)
def test_footage_is_turned_upright_before_anybody_is_looked_for(
    tmp_path: Path, rotation: int, box: tuple[int, ...]
) -> None:
    path = write_video(tmp_path / "a.mp4", frames(15, 10, step=0, width=60), rate=10, rotation=rotation)
    (track,) = find_tracks(Footage(path, LIMITS), RedDetector(), Wanted(), step=nothing)
    np.testing.assert_allclose(track.boxes[0], box, atol=2)


@pytest.mark.parametrize(
    ("rate", "fps", "looks"), [(10, 10, 30), (10, 5, 15), (25, 10, 12), (30, 10, 10), (10, 100, 30), (10, 1, 3)]
)
def test_so_many_frames_a_second_are_looked_at(tmp_path: Path, rate: int, fps: float, looks: int) -> None:
    detector = RedDetector()
    find_tracks(Footage(film(tmp_path / "a.mp4", rate=rate), LIMITS), detector, Wanted(fps=fps), step=nothing)
    assert detector.n_looks == looks


def test_frames_of_uneven_times_keep_their_times(tmp_path: Path) -> None:
    times = [0, 1, 2, 5, 6, 7, 12, 13, 14, 15, 20, 21]
    path = film(tmp_path / "a.mkv", 12, rate=10, times=times)
    (track,) = find_tracks(Footage(path, LIMITS), RedDetector(), Wanted(), step=nothing)
    np.testing.assert_allclose(track.times_s, np.array(times) / 10, atol=0.002)
    assert track.frames.tolist() == list(range(12))


def test_short_and_small_ones_are_left_out(tmp_path: Path) -> None:
    # One stays for 3 s, one is out after 0.8 s.
    footage = Footage(film(tmp_path / "a.mp4", 30, 20, 184), LIMITS)
    for min_seconds, n_tracks in ((0, 2), (1, 1), (3, 0)):
        assert len(find_tracks(footage, RedDetector(), Wanted(min_seconds=min_seconds), step=nothing)) == n_tracks
    for height, width in ((40, 30), (80, 12)):
        small = write_video(tmp_path / "b.mp4", frames(30, 10, height=height, width=width), rate=10)
        assert find_tracks(Footage(small, LIMITS), RedDetector(), Wanted(), step=nothing) == []


def test_what_is_no_whole_film_is_named(tmp_path: Path) -> None:
    whole = film(tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.mp4").write_text("no film")
    Image.new("RGB", (40, 80)).save(tmp_path / "picture.png")
    write_sound(tmp_path / "sound.mp4")
    for name in ("cut.mp4", "text.mp4", "picture.png", "sound.mp4", "lost.mp4"):
        with pytest.raises(BadInput, match=f"{name} cannot be cut into tracks"):
            find_tracks(Footage(tmp_path / name, LIMITS), RedDetector(), Wanted(), step=nothing)


def test_a_cut_has_a_margin_and_stays_inside_the_picture() -> None:
    assert cut_edges(np.array([50, 20, 90, 120], np.float32), WIDTH, HEIGHT + 80) == (48, 17, 92, 123)
    assert cut_edges(np.array([0, 1, 200, 119.5], np.float32), WIDTH, HEIGHT) == (0, 0, 200, 120)
    assert cut_edges(np.array([0.4, 0.6, 1.2, 1.4], np.float32), WIDTH, HEIGHT) == (0, 0, 2, 2)
