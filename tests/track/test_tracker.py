"""Who is followed, from when to when, and under which number."""

from collections.abc import Sequence

import numpy as np
import pytest

from model.detect.yolox import Detection
from model.track.errors import BadDetections, BadRules
from model.track.tracker import Tracker, TrackerRules, follow
from model.track.tracks import Detections, Track
from tests.track.walkers import Walker, every, film, seen, walker_of

# Apart from each other all the time, one of them standing.
STREET = [Walker(0, 0, (50, 0)), Walker(400, 150, (-60, 5)), Walker(200, 300)]


def tracks_of(frames: Sequence[Detections], rules: TrackerRules | None = None) -> list[Track]:
    return sorted(follow(frames, rules), key=lambda track: track.id)


def assert_equal(ours: list[Track], others: list[Track]) -> None:
    assert [track.id for track in ours] == [track.id for track in others]
    for our, other in zip(ours, others, strict=True):
        for name in ("frames", "times_s", "boxes", "scores"):
            np.testing.assert_array_equal(getattr(our, name), getattr(other, name))


def test_everybody_is_followed_from_the_first_frame_to_the_last() -> None:
    frames = film(STREET, every(0.1, 5), jitter=1)
    tracks = tracks_of(frames)
    assert [track.id for track in tracks] == [1, 2, 3]
    assert {walker_of(track, STREET) for track in tracks} == {0, 1, 2}
    for track in tracks:
        assert track.frames.tolist() == list(range(50)) and len(track) == 50
        assert track.seconds == pytest.approx(4.9)
        assert [str(each.dtype) for each in (track.frames, track.times_s)] == ["int64", "float64"]
        assert [str(each.dtype) for each in (track.boxes, track.scores)] == ["float32", "float32"]
        assert track.boxes.shape == (50, 4)
        for frame, box in zip(track.frames, track.boxes, strict=True):
            assert box.tolist() in frames[frame].boxes.tolist()  # as detected, not as filtered


@pytest.mark.parametrize("interval_s", [1 / 30, 0.1, 0.2, 0.33])
def test_any_frame_rate_gives_the_same_people(interval_s: float) -> None:
    tracks = tracks_of(film(STREET, every(interval_s, 6)))
    assert sorted(walker_of(track, STREET) for track in tracks) == [0, 1, 2]


def test_a_frame_rate_that_changes_on_the_way_gives_the_same_people() -> None:
    times_s = np.cumsum(np.random.default_rng(1).choice([0.03, 0.1, 0.25, 0.4], 40))
    tracks = tracks_of(film(STREET, times_s))
    assert sorted(walker_of(track, STREET) for track in tracks) == [0, 1, 2]
    assert all(len(track) == 40 for track in tracks)


def test_people_who_cross_keep_their_tracks_while_both_are_seen() -> None:
    # They pass each other at frame 20, one 45 pixels lower; the boxes overlap by up to 0.38.
    walkers = [Walker(0, 0, (80, 0)), Walker(320, 45, (-80, 0))]
    tracks = tracks_of(film(walkers, every(0.1, 4), jitter=0.5))
    assert [walker_of(track, walkers) for track in tracks] == [0, 1]
    assert [len(track) for track in tracks] == [40, 40]


def test_who_disappears_behind_somebody_ends_both_tracks_and_both_begin_anew() -> None:
    walkers = [Walker(0, 0, (80, 0)), Walker(320, 20, (-80, 0))]
    hidden = [(frame, 1) for frame in range(19, 23)]
    tracks = tracks_of(film(walkers, every(0.1, 4), missing=hidden))
    followed = [(walker_of(track, walkers), int(track.frames[0]), int(track.frames[-1])) for track in tracks]
    assert sorted(followed) == [(0, 0, 18), (0, 19, 39), (1, 0, 18), (1, 23, 39)]
    assert len({track.id for track in tracks}) == 4
    kept = tracks_of(film(walkers, every(0.1, 4), missing=hidden), TrackerRules(hiding=1))
    assert [walker_of(track, walkers) for track in kept] == [0, 1]


def test_who_is_hidden_by_a_thing_is_found_again() -> None:
    walkers = [Walker(0, 0, (100, 0))]
    frames = film(walkers, every(0.1, 4), missing=[(frame, 0) for frame in range(15, 23)])
    (track,) = tracks_of(frames)
    assert walker_of(track, walkers) == 0
    assert track.frames.tolist() == [*range(15), *range(23, 40)]


def test_single_missed_frames_and_empty_frames_do_not_end_a_track() -> None:
    rng = np.random.default_rng(3)
    gaps = [(frame, number) for frame in range(4, 60) for number in range(3) if rng.uniform() < 0.25]
    gaps += [(30, number) for number in range(3)]
    frames = film(STREET, every(0.1, 6), missing=gaps)
    assert len(frames[30].scores) == 0
    tracks = tracks_of(frames)
    assert sorted(walker_of(track, STREET) for track in tracks) == [0, 1, 2]
    assert sum(len(track) for track in tracks) == 180 - len(set(gaps))


def test_empty_frames_while_nobody_is_new_are_as_good_as_none() -> None:
    frames = film(STREET, every(0.1, 5), missing=[(frame, number) for frame in range(20, 26) for number in range(3)])
    without = [found for found in frames if not 20 <= found.frame < 26]
    assert_equal(tracks_of(frames), tracks_of(without))


def test_the_order_within_a_frame_means_nothing() -> None:
    walkers = [*STREET, Walker(0, 180, (90, -20), score=0.7), Walker(300, 280, (-70, 10))]
    frames = film(walkers, every(0.1, 4), jitter=2)
    rng = np.random.default_rng(5)
    shuffled = []
    for found in frames:
        order = rng.permutation(len(found.scores))
        shuffled.append(Detections(found.frame, found.time_s, found.boxes[order], found.scores[order]))
    assert_equal(tracks_of(frames), tracks_of(shuffled))


def test_detections_are_not_changed() -> None:
    frames = film(STREET, every(0.1, 2))
    before = [(found.boxes.copy(), found.scores.copy()) for found in frames]
    tracks_of(frames)
    for found, (boxes, scores) in zip(frames, before, strict=True):
        np.testing.assert_array_equal(found.boxes, boxes)
        np.testing.assert_array_equal(found.scores, scores)


def test_unsure_detections_carry_on_what_sure_ones_began() -> None:
    frames = film([Walker(0, 0, (50, 0))], every(0.1, 3))
    weak = [
        seen(found.frame, found.time_s, found.boxes.tolist(), [0.4 if 10 <= found.frame < 15 else 0.9])
        for found in frames
    ]
    (track,) = tracks_of(weak)
    assert len(track) == 30
    np.testing.assert_allclose(track.scores[10:15], 0.4)


def test_unsure_detections_begin_nobody_and_very_unsure_ones_are_not_looked_at() -> None:
    assert tracks_of(film([Walker(0, 0, (50, 0), score=0.5)], every(0.1, 3))) == []
    frames = film([Walker(0, 0, (50, 0))], every(0.1, 3))
    faint = [
        seen(found.frame, found.time_s, found.boxes.tolist(), [0.2 if 10 <= found.frame < 15 else 0.9])
        for found in frames
    ]
    (track,) = tracks_of(faint)
    assert track.frames.tolist() == [*range(10), *range(15, 30)]


def test_unsure_detections_do_not_find_again_whom_was_lost() -> None:
    frames = film([Walker(0, 0)], every(0.1, 2), missing=[(frame, 0) for frame in range(8, 12)])
    weak = [
        seen(found.frame, found.time_s, found.boxes.tolist(), [0.5 if found.frame == 12 else 0.9] * len(found.scores))
        for found in frames
    ]
    (track,) = tracks_of(weak)
    assert track.frames.tolist() == [*range(8), *range(13, 20)]


def test_who_appears_where_somebody_is_lost_ends_the_lost_track_alone() -> None:
    newcomer = seen(6, 0.6, [[27, 0, 67, 100]], [0.9])  # overlaps the first by 0.19
    frames = [*film([Walker(0, 0)], every(0.1, 0.6)), newcomer]
    tracks = tracks_of(frames, TrackerRules(confirming=1, hiding=0.1))
    assert [track.frames.tolist() for track in tracks] == [list(range(6)), [6]]


def test_a_track_does_not_cling_to_a_thing_until_the_next_person_comes() -> None:
    # Somebody walks up to a coat stand that scores 0.5 and leaves behind it; 3 s later somebody else sets out there.
    times_s = every(0.1, 8)
    first, second, stand = Walker(0, 0, (50, 0)), Walker(-150, 0, (50, 0)), [100.0, 0, 140, 100]
    frames = []
    for frame, time_s in enumerate(times_s.tolist()):
        boxes, scores = [stand], [0.5]
        if time_s < 2:
            boxes, scores = [first.box(time_s)], [0.9]
        elif time_s >= 5:
            boxes, scores = [second.box(time_s)], [0.9]
        frames.append(seen(frame, time_s, boxes, scores))
    tracks = tracks_of(frames)
    assert [(int(track.frames[0]), int(track.frames[-1])) for track in tracks] == [(0, 19), (50, 79)]
    assert all((track.scores > 0.6).all() for track in tracks)  # nor does the stand hang on at the end


def test_birth_needs_sure_detections_in_a_row() -> None:
    walker = [Walker(0, 0)]
    assert tracks_of(film(walker, every(0.1, 0.2))) == []
    assert len(tracks_of(film(walker, every(0.1, 0.3)))) == 1
    blinking = [(frame, 0) for frame in range(2, 30, 3)]  # two frames there, one not
    assert tracks_of(film(walker, every(0.1, 3), missing=blinking)) == []
    (at_once,) = tracks_of(film(walker, every(0.1, 0.1)), TrackerRules(confirming=1))
    assert len(at_once) == 1


def test_death_comes_after_so_many_seconds_not_frames() -> None:
    walker = [Walker(0, 0)]
    for interval_s in (0.05, 0.1, 0.25):
        for gap_s, n_tracks in ((0.9, 1), (1.1, 2)):
            frames = film(walker, every(interval_s, 4))
            with_gap = [found for found in frames if not 1 <= found.time_s < 1 + gap_s]
            long = TrackerRules(lost_s=1 + interval_s)  # counted from the last sight, a frame before the gap
            assert len(tracks_of(with_gap, long)) == n_tracks


def test_ids_count_up_from_one_and_are_never_used_again() -> None:
    tracker = Tracker()
    ids = []
    for visit in range(5):  # the same place, again and again
        for frame in range(5):
            number = 100 * visit + frame
            ids += [track.id for track in tracker.update(seen(number, number / 10, [[0, 0, 40, 100]], [0.9]))]
    ids += [track.id for track in tracker.finish()]
    assert ids == [1, 2, 3, 4, 5]
    assert tracker.finish() == []
    tracker.update(seen(600, 60, [[0, 0, 40, 100]], [0.9]))
    assert tracker.finish() == []


def test_tracks_are_given_as_soon_as_they_end_and_once() -> None:
    tracker = Tracker()
    ended: dict[int, int] = {}
    for found in film([Walker(0, 0)], every(0.1, 4), missing=[(frame, 0) for frame in range(10, 40)]):
        ended |= {track.id: found.frame for track in tracker.update(found)}
    assert ended == {1: 20}  # more than 1 s after frame 9
    assert tracker.finish() == []


def test_frames_must_go_forward() -> None:
    tracker = Tracker()
    tracker.update(seen(3, 1.0, [], []))
    for time_s in (1.0, 0.5):
        with pytest.raises(BadDetections, match="in order of time"):
            tracker.update(seen(4, time_s, [], []))
    tracker.update(seen(5, 1.1, [], []))


@pytest.mark.parametrize(
    ("boxes", "scores", "message"),
    [
        (np.zeros((2, 4)), np.zeros(3), "one score a box"),
        (np.zeros((2, 5)), np.zeros(2), "one score a box"),
        (np.array([[0, 0, 10, np.nan]]), np.ones(1), "finite"),
        (np.array([[0, 0, 10, 10]]), np.array([np.nan]), "finite"),
        (np.array([[10, 0, 10, 10]]), np.ones(1), "without area"),
    ],
)
def test_boxes_that_are_none_are_refused(boxes: np.ndarray, scores: np.ndarray, message: str) -> None:
    with pytest.raises(BadDetections, match=message):
        Detections(7, 0.0, boxes.astype(np.float32), scores.astype(np.float32))


def test_what_the_detector_gives_is_taken_as_corners() -> None:
    found = Detections.of(2, 0.2, [Detection((10, 20, 30, 40), 0.75), Detection((5, 5, 0, 9), 0.9)])
    assert found.boxes.tolist() == [[10, 20, 40, 60]] and found.scores.tolist() == [0.75]
    assert Detections.of(2, 0.2, []).boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"sure_score": 0.2}, "unsure_score <= sure_score"),
        ({"unsure_score": -0.1}, "0 <= unsure_score"),
        ({"overlap": 1.5}, "overlap is a share"),
        ({"hiding": -1}, "hiding is a share"),
        ({"confirming": 0}, "confirming >= 1"),
        ({"lost_s": 0}, "lost_s > 0"),
    ],
)
def test_rules_that_make_no_sense_are_refused(rules: dict[str, float], message: str) -> None:
    with pytest.raises(BadRules, match=message):
        TrackerRules(**rules)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_lost_or_told_twice_whatever_comes(seed: int) -> None:
    """Random boxes: every row of a track is a detection, and no detection belongs to two tracks."""
    rng = np.random.default_rng(seed)
    frames = []
    for frame in range(120):
        left_top = rng.uniform(0, 60, (rng.integers(0, 9), 2))
        boxes = np.concatenate([left_top, left_top + rng.uniform(20, 60, left_top.shape)], axis=1)
        frames.append(seen(frame, frame / 10, boxes.tolist(), rng.uniform(0, 1, len(boxes)).tolist()))
    for rules in (TrackerRules(), TrackerRules(confirming=1, hiding=0, overlap=0, overlap_unsure=0)):
        tracks = tracks_of(frames, rules)
        assert tracks and [track.id for track in tracks] == sorted({track.id for track in tracks})
        told = []
        for track in tracks:
            assert (np.diff(track.times_s) > 0).all()
            assert np.diff(track.times_s).max(initial=0) <= rules.lost_s
            for frame, box in zip(track.frames.tolist(), track.boxes.tolist(), strict=True):
                assert box in frames[frame].boxes.tolist()
                told.append((frame, *box))
        assert len(told) == len(set(told))
