"""Who asks and who is asked under each protocol, on data sets of stills, of tracks, and on the official MARS lists."""

from pathlib import Path

import pytest

from model.data.records import DISTRACTOR, JUNK, Dataset, Picture, Track
from model.evaluation.errors import EvaluationError, NothingToAsk
from model.evaluation.protocols import Protocol, ids_of, probe_of


def picture(name: str, person: int, camera: int, track: int = -1, frame: int = 0) -> Picture:
    return Picture(Path(name), person, camera, track, frame)


def track(person: int, camera: int, *names: str) -> Track:
    return Track(person, camera, tuple(Path(name) for name in names))


# As Market-1501: still queries, a gallery with tracks, junk and distractors.
STILLS = Dataset(
    "stills",
    (),
    (picture("q1", 1, 1), picture("q2", 2, 1)),
    (
        picture("b", 1, 2, 0, frame=7),
        picture("a", 1, 2, 0, frame=3),
        picture("c", 2, 2, 1),
        picture("d", 1, 1, 2),
        picture("nobody", DISTRACTOR, 2),
        picture("junk", JUNK, 2),
    ),
)
SINGLES = [track(1, 2, "b"), track(1, 2, "a"), track(2, 2, "c"), track(1, 1, "d"), track(0, 2, "nobody")]
TRACKS = [track(1, 2, "a", "b"), track(2, 2, "c"), track(1, 1, "d"), track(0, 2, "nobody")]

# As MARS: queries are tracks.
VIDEOS = Dataset(
    "videos",
    (),
    (picture("v", 1, 1, 0, 0), picture("w", 1, 1, 0, 1)),
    (
        picture("x", 1, 2, 0, 5),
        picture("y", 1, 2, 0, 6),
        picture("z", DISTRACTOR, 2, 1, 0),
        picture("zz", DISTRACTOR, 2, 1, 1),
        picture("j", JUNK, 2, 2),
    ),
)


@pytest.mark.parametrize(
    ("protocol", "queries", "gallery"),
    [
        ("i2i", [track(1, 1, "q1"), track(2, 1, "q2")], SINGLES),
        ("i2v", [track(1, 1, "q1"), track(2, 1, "q2")], TRACKS),
        ("v2i", TRACKS[:3], SINGLES),
        ("v2v", TRACKS[:3], TRACKS),
    ],
)
def test_still_queries_over_tracks(protocol: Protocol, queries: list[Track], gallery: list[Track]) -> None:
    probe = probe_of(STILLS, protocol)
    assert probe.queries == queries
    assert probe.gallery == gallery
    assert probe.same_camera


@pytest.mark.parametrize(
    ("protocol", "query", "gallery"),
    [
        ("i2i", ["v"], [["x"], ["z"]]),
        ("i2v", ["v"], [["x", "y"], ["z", "zz"]]),
        ("v2i", ["v", "w"], [["x"], ["z"]]),
        ("v2v", ["v", "w"], [["x", "y"], ["z", "zz"]]),
    ],
)
def test_an_image_of_a_video_data_set_is_the_first_picture(
    protocol: Protocol, query: list[str], gallery: list[list[str]]
) -> None:
    probe = probe_of(VIDEOS, protocol)
    assert probe.queries == [track(1, 1, *query)]
    assert [[path.name for path in each.paths] for each in probe.gallery] == gallery


def test_ids_row_for_row() -> None:
    ids = ids_of(TRACKS)
    assert ids.person.tolist() == [1, 2, 1, 0] and ids.camera.tolist() == [2, 2, 1, 2]


def test_what_a_data_set_does_not_allow_is_refused() -> None:
    plain = Dataset("cuhk01", (), (picture("q", 1, 1),), (picture("g", 1, 2),))
    assert probe_of(plain, "i2i").queries == [track(1, 1, "q")]
    for protocol in ("i2v", "v2i", "v2v"):
        with pytest.raises(EvaluationError, match=f"cuhk01 says of no picture .* and {protocol} needs tracks"):
            probe_of(plain, protocol)
    with pytest.raises(EvaluationError, match="no protocol is called 'x2y': there are i2i, i2v, v2i, v2v"):
        probe_of(plain, "x2y")  # type: ignore[arg-type]
    with pytest.raises(NothingToAsk, match="has 1 queries and 0 in the gallery for i2i"):
        probe_of(Dataset("empty", (), (picture("q", 1, 1),), (picture("g", JUNK, 2),)), "i2i")
    with pytest.raises(NothingToAsk, match="has 0 queries"):
        probe_of(Dataset("empty", (), (picture("q", DISTRACTOR, 1),), (picture("g", 1, 2),)), "i2i")
