import csv
import hashlib
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from service.demo.film import Take, frames, take, walker
from service.demo.folder import read_folder
from service.demo.people import cast_people
from service.demo.samples import CLIP_FRAMES, COLUMNS, MANIFEST, STILL_FRAME, Sample, draw_samples
from service.demo.scene import CAMERAS, HEIGHT, WIDTH, background


@pytest.fixture(scope="module")
def shots() -> list[Take]:
    """Four people before both cameras: person by person, camera within person."""
    walkers = [walker(person) for person in cast_people(4, 7)]
    drops = [background(camera, np.random.default_rng(place)) for place, camera in enumerate(CAMERAS)]
    return [
        take(walkers, number, camera, drops[place], (7, place, number))
        for number in range(4)
        for place, camera in enumerate(CAMERAS)
    ]


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    first, second = (draw_samples(tmp_path / name, people=1, seed=5) for name in ("one", "two"))
    assert [_digest(sample.path) for sample in first] == [_digest(sample.path) for sample in second]


def test_any_frame_can_be_drawn_alone(shots: list[Take]) -> None:
    whole = list(frames(shots[0], range(4)))
    np.testing.assert_array_equal(next(frames(shots[0], range(3, 4))), whole[3])


def test_people_walk_and_differ(shots: list[Take]) -> None:
    for shot in shots:
        first, later = (next(frames(shot, range(n, n + 1))).astype(int) for n in (0, 12))
        assert np.abs(first - later).mean() > 5
    clean = [replace(shot, passer=None, post_px=None) for shot in shots[::2]]
    pictures = [next(frames(shot, range(1))).astype(int) for shot in clean]
    for number, picture in enumerate(pictures):
        assert all(np.abs(picture - other).mean() > 10 for other in pictures[:number])


def test_cameras_differ_in_view_light_and_lens() -> None:
    a, b = CAMERAS
    assert a.yaws[1] < b.yaws[0]
    for trait in ("light", "gain", "blur", "noise", "crf", "wall", "indoors"):
        assert getattr(a, trait) != getattr(b, trait)


def test_a_passer_by_and_a_post_cover_part_of_the_person_but_never_most(shots: list[Take]) -> None:
    bare = replace(shots[0], passer=None, post_px=None)
    covered = [replace(bare, passer=shots[2].walker, passer_from=0), replace(bare, post_px=128.0)]
    for shot in covered:
        clear, hidden = (next(frames(each, range(15, 16))).astype(int) for each in (bare, shot))
        share = (np.abs(clear - hidden).max(axis=2) > 30).mean()
        assert 0.02 < share < 0.4


def test_clips_are_h264_in_mp4_at_the_size_of_a_crop(few: list[Sample]) -> None:
    clips = [sample.path for sample in few if sample.kind == "video"]
    assert len(clips) == 6
    for path in clips:
        with av.open(path) as container:
            stream = container.streams.video[0]
            assert "mp4" in container.format.name
            assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
            assert (stream.height, stream.width) == (HEIGHT, WIDTH)
            assert stream.average_rate == 25
            assert sum(1 for _ in container.decode(stream)) == CLIP_FRAMES


def test_stills_are_held_back_from_the_clips() -> None:
    assert STILL_FRAME > CLIP_FRAMES


def test_the_manifest_names_every_file_and_reads_back(few: list[Sample], few_folder: Path) -> None:
    with (few_folder / MANIFEST).open(newline="") as file:
        rows = list(csv.reader(file))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 1 + len(few) == 13
    samples, skipped = read_folder(few_folder)
    assert samples == few
    assert skipped == []


def test_drawing_tells_how_far_it_is(tmp_path: Path) -> None:
    steps: list[None] = []
    draw_samples(tmp_path, people=1, seed=2, step=lambda: steps.append(None))
    assert len(steps) == len(CAMERAS)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
