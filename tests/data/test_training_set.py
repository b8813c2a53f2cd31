"""From pictures to batches: persons numbered through, tracks of different cameras, every domain its share."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.data.errors import MissingData
from model.data.records import DISTRACTOR, JUNK, Picture
from model.data.samplers import Draw, PersonSampler, TrackSampler
from model.data.training_set import TrainingSet, training_set


def a_source(persons: int, cameras: int, frames: int) -> list[Picture]:
    return [
        Picture(Path(f"{person}-{camera}-{frame}"), person, camera, frame=frame)
        for person in range(1, persons + 1)
        for camera in range(cameras)
        for frame in reversed(range(frames))
    ]


def test_persons_are_numbered_through_all_sources_and_rows_follow_time() -> None:
    data = training_set([a_source(2, 2, 3), a_source(3, 1, 2)])
    assert data.n_persons == 5
    assert data.domain_of_person.tolist() == [0, 0, 1, 1, 1]
    assert [rows.tolist() for rows in data.persons_of_domain] == [[0, 1], [2, 3, 4]]
    assert [track.rows.tolist() for track in data.tracks[:2]] == [[2, 1, 0], [5, 4, 3]]
    assert [track.rows.tolist() for track in data.tracks if track.person == 2] == [[13, 12]]


def test_known_tracks_of_one_camera_stay_apart_and_nobody_is_left_out() -> None:
    pictures = [Picture(Path("a"), 1, 1, track=0), Picture(Path("b"), 1, 1, track=1)]
    nobody = [Picture(Path("c"), DISTRACTOR, 1), Picture(Path("d"), JUNK, 1)]
    data = training_set([pictures + nobody])
    assert [track.rows.tolist() for track in data.tracks] == [[0], [1]]
    assert data.n_persons == 1


def test_a_source_without_persons_is_refused() -> None:
    with pytest.raises(MissingData, match="source 1 of the training data has no person"):
        training_set([a_source(1, 1, 1), [Picture(Path("x"), JUNK, 1)]])


def check(draw: Draw, data: TrainingSet, frames: int) -> None:
    """Every row is a frame of the track it is said to be of, no frame twice, padding behind."""
    for place, number in enumerate(draw.track.tolist()):
        track = data.tracks[number]
        rows = draw.rows[place, draw.mask[place]]
        assert len(set(rows.tolist())) == len(rows) == min(frames, len(track.rows))
        positions = [track.rows.tolist().index(row) for row in rows]
        assert positions == sorted(positions)
        assert draw.mask[place].tolist() == sorted(draw.mask[place].tolist(), reverse=True)
        assert (draw.person[place], draw.camera[place]) == (track.person, track.camera)
        assert draw.domain[place] == data.domain_of_person[track.person]


@settings(max_examples=30, deadline=None)
@given(step=st.integers(0, 10**6), tracks=st.integers(1, 4), frames=st.integers(1, 5), cameras=st.integers(1, 4))
def test_batches_of_persons(step: int, tracks: int, frames: int, cameras: int) -> None:
    data = training_set([a_source(6, cameras, 3), a_source(4, 2, 2)])
    draw = PersonSampler(data, (3, 2), tracks, frames, seed=5).draw(step)
    check(draw, data, frames)
    by_person = draw.person.reshape(5, tracks)
    assert (by_person == by_person[:, :1]).all()
    assert len(set(by_person[:, 0].tolist())) == 5
    assert draw.domain.reshape(5, tracks)[:, 0].tolist() == [0, 0, 0, 1, 1]
    for person, seen in zip(by_person[:, 0], draw.camera.reshape(5, tracks), strict=True):
        there = cameras if data.domain_of_person[person] == 0 else 2
        assert len(set(seen.tolist())) == min(tracks, there)


@settings(max_examples=30, deadline=None)
@given(step=st.integers(0, 10**6), frames=st.integers(1, 5))
def test_batches_of_tracks(step: int, frames: int) -> None:
    data = training_set([a_source(6, 3, 3), a_source(4, 2, 2)])
    draw = TrackSampler(data, (5, 4), frames, seed=5).draw(step)
    check(draw, data, frames)
    assert draw.domain.tolist() == [0] * 5 + [1] * 4
    assert len(set(draw.track.tolist())) == 9


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    data = training_set([a_source(6, 3, 3)])
    first, again = (PersonSampler(data, (4,), 2, 2, seed=5).draw(7) for _ in range(2))
    assert np.array_equal(first.rows, again.rows) and np.array_equal(first.mask, again.mask)
    others = [PersonSampler(data, (4,), 2, 2, seed=seed).draw(step).rows for seed, step in ((5, 8), (6, 7))]
    assert not any(np.array_equal(first.rows, other) for other in others)


def test_more_persons_than_there_are_come_twice() -> None:
    draw = PersonSampler(training_set([a_source(2, 1, 1)]), (4,), 2, 2, seed=5).draw(0)
    assert len(draw.person) == 8 and set(draw.person.tolist()) <= {0, 1}
