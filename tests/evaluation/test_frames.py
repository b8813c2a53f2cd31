"""All frames, a single one, or shuffled ones: what of a probe changes, and what does not."""

from pathlib import Path

import pytest

from model.data.records import Track
from model.evaluation.errors import EvaluationError
from model.evaluation.frames import shown
from model.evaluation.protocols import Probe


def track(person: int, camera: int, frames: int) -> Track:
    return Track(person, camera, tuple(Path(f"{person}/{camera}/{frame:02d}.png") for frame in range(frames)))


LONG, LONGER, SHORT = track(1, 1, 16), track(2, 2, 32), track(1, 2, 1)
PROBE = Probe(queries=[LONG, LONGER], gallery=[LONGER, SHORT, track(3, 1, 16)], same_camera=False)


def test_all_frames_are_the_probe_itself() -> None:
    assert shown(PROBE, "all", 8) == [PROBE]


def test_shuffled_tracks_have_their_frames_in_another_order() -> None:
    (shuffled,) = shown(PROBE, "shuffled", 8)
    for before, after in zip((*PROBE.queries, *PROBE.gallery), (*shuffled.queries, *shuffled.gallery), strict=True):
        assert (after.person, after.camera) == (before.person, before.camera)
        assert sorted(after.paths) == list(before.paths)
        assert len(before.paths) == 1 or after.paths != before.paths
    assert shuffled.queries[1] == shuffled.gallery[0]  # one track, shuffled alike on both sides
    assert not shuffled.same_camera


def test_a_shuffle_is_drawn_from_its_seed_and_for_each_track() -> None:
    assert shown(PROBE, "shuffled", 8, seed=1) == shown(PROBE, "shuffled", 8, seed=1)
    assert shown(PROBE, "shuffled", 8, seed=1) != shown(PROBE, "shuffled", 8, seed=2)
    (shuffled,) = shown(PROBE, "shuffled", 8)
    orders = [[path.name for path in each.paths] for each in (shuffled.queries[0], shuffled.gallery[2])]
    assert orders[0] != orders[1]  # tracks of equal length: no order in common that could tell anything


def test_single_frames_are_one_probe_a_place_spread_over_each_track() -> None:
    probes = shown(PROBE, "single", 8)
    assert [probe.queries[0].paths[0].name for probe in probes] == [f"{frame:02d}.png" for frame in range(1, 16, 2)]
    assert [probe.queries[1].paths[0].name for probe in probes] == [f"{frame:02d}.png" for frame in range(2, 32, 4)]
    assert all(len(each.paths) == 1 for probe in probes for each in (*probe.queries, *probe.gallery))
    assert all(probe.gallery[1] == SHORT and not probe.same_camera for probe in probes)


def test_pictures_need_no_places() -> None:
    pictures = Probe(queries=[SHORT], gallery=[track(2, 1, 1)])
    assert shown(pictures, "single", 8) == [pictures]


@pytest.mark.parametrize(("frames", "places"), [("some", 8), ("single", 0)])
def test_what_is_no_choice_is_refused(frames: str, places: int) -> None:
    with pytest.raises(EvaluationError, match="frames are all, single, shuffled"):
        shown(PROBE, frames, places)  # type: ignore[arg-type]
