"""Pictures to tracks: by track number, and by Market-1501's rule."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from model.data.market1501 import SEQUENCE_FRAMES
from model.data.records import DISTRACTOR, JUNK, Picture, Track
from model.data.tracks import MARKET_GAP, market_tracks, number_market_tracks, tracks_of


def picture(name: str, person: int = 1, camera: int = 1, track: int = -1, frame: int = 0) -> Picture:
    return Picture(Path(name), person, camera, track, frame)


def market(name: str, person: int, sequence: int, frame: int, camera: int = 1) -> Picture:
    return picture(name, person, camera, frame=sequence * SEQUENCE_FRAMES + frame)


def test_a_track_is_one_camera_person_and_number_in_order_of_frame() -> None:
    pictures = [
        picture("b", track=0, frame=2),
        picture("a", track=0, frame=1),
        picture("other camera", camera=2, track=0),
        picture("other person", person=2, track=0),
        picture("alone"),
        picture("alone too"),
        picture("c", track=0, frame=2),
    ]
    assert tracks_of(pictures) == [
        Track(1, 1, (Path("a"), Path("b"), Path("c"))),
        Track(1, 2, (Path("other camera"),)),
        Track(2, 1, (Path("other person"),)),
        Track(1, 1, (Path("alone"),)),
        Track(1, 1, (Path("alone too"),)),
    ]


def test_market_tracks_end_at_a_gap_above_300_frames_and_at_the_end_of_a_sequence() -> None:
    pictures = [
        market("late", 7, 1, 602),
        market("first", 7, 1, 1),
        market("second", 7, 1, 301),  # 300 after the first: still the same track; 301 before the last: not
        market("next sequence", 7, 2, 1),
        market("other camera", 7, 1, 302, camera=2),
    ]
    assert [track.paths for track in market_tracks(pictures)] == [
        (Path("first"), Path("second")),
        (Path("late"),),
        (Path("next sequence"),),
        (Path("other camera"),),
    ]


def test_market_distractors_are_tracks_of_one_picture_and_junk_is_left_out() -> None:
    pictures = [market("d1", DISTRACTOR, 1, 1), market("d2", DISTRACTOR, 1, 2), market("j", JUNK, 1, 1)]
    assert market_tracks(pictures) == [Track(DISTRACTOR, 1, (Path("d1"),)), Track(DISTRACTOR, 1, (Path("d2"),))]
    assert [each.track for each in number_market_tracks(pictures)] == [-1, -1, -1]


PICTURES = st.lists(
    st.tuples(st.integers(-1, 3), st.integers(1, 2), st.integers(1, 2), st.integers(0, 2000)), max_size=40
).map(lambda rows: [market(f"{number:03}", p, sequence, f, c) for number, (p, c, sequence, f) in enumerate(rows)])


@given(PICTURES)
def test_market_tracks_part_the_pictures_and_keep_the_rule(pictures: list[Picture]) -> None:
    tracks = market_tracks(pictures)
    of = {each.path: each for each in pictures}
    in_tracks = [path for track in tracks for path in track.paths]
    assert sorted(in_tracks) == sorted(each.path for each in pictures if each.person != JUNK)
    for track in tracks:
        frames = [of[path].frame for path in track.paths]
        assert all(0 <= after - before <= MARKET_GAP for before, after in pairwise(frames))
        assert {(of[path].person, of[path].camera) for path in track.paths} == {(track.person, track.camera)}


@given(PICTURES)
def test_numbered_pictures_give_the_same_tracks_by_number(pictures: list[Picture]) -> None:
    numbered = number_market_tracks(pictures)
    assert [replace(each, track=-1) for each in numbered] == pictures
    by_number = tracks_of([each for each in numbered if each.person != JUNK])
    assert sorted(map(str, by_number)) == sorted(map(str, market_tracks(pictures)))
