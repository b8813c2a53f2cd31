"""Drawn walkers as a data set: the same from the same seed, read by the loader, apart as promised."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.data.build import load_dataset
from model.data.records import Dataset
from model.data.tracks import tracks_of
from service.commands.main import main
from service.demo.film import Take, walker
from service.demo.people import Bag, Beat
from service.demo.scene import HEIGHT, WIDTH
from service.demo.skeleton import walking
from service.demo.walkers import draw
from service.demo.walkers.cast import BEATS, FAMILY, STRIDES, attributes, cast, restarted
from service.demo.walkers.draw import FRAMES, Plan, draw_walkers
from service.demo.walkers.spoil import BAND_HEIGHT, FAULTS, band_rows, faults, spoil

PLAN = Plan(people=1, test_people=1, seed=3, vary="gait")
CLOTHES = replace(PLAN, vary="clothes")


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_walkers(tmp_path_factory.mktemp("gait"), PLAN).parent


@pytest.fixture(scope="module")
def different(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_walkers(tmp_path_factory.mktemp("clothes"), CLOTHES).parent


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def pixels(folder: Path) -> np.ndarray:
    return np.stack([np.asarray(Image.open(folder / row["path"])) for row in rows(folder)])


def takes_of(plan: Plan, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Take]:
    """Write a data set of black frames; what would have been drawn."""
    takes: list[Take] = []

    def black(shot: Take, numbers: range) -> list[np.ndarray]:
        takes.append(shot)
        return [np.zeros((HEIGHT, WIDTH, 3), np.uint8) for _ in numbers]

    monkeypatch.setattr(draw, "frames", black)
    draw_walkers(folder, plan)
    return takes


def read(folder: Path) -> Dataset:
    return load_dataset("csv", folder)


def test_the_same_plan_draws_the_same_pixels_and_another_seed_others(alike: Path, tmp_path: Path) -> None:
    again, other = (draw_walkers(tmp_path / str(seed), replace(PLAN, seed=seed)).parent for seed in (PLAN.seed, 4))
    assert rows(again) == rows(alike)
    np.testing.assert_array_equal(pixels(again), pixels(alike))
    assert (pixels(other) != pixels(alike)).mean() > 0.5


def test_several_processes_draw_the_same_set(alike: Path, tmp_path: Path) -> None:
    again = draw_walkers(tmp_path / "set", PLAN, processes=2).parent
    assert rows(again) == rows(alike)
    np.testing.assert_array_equal(pixels(again), pixels(alike))


@pytest.mark.parametrize("vary", ["gait", "clothes"])
def test_the_loader_reads_tracks_of_disjoint_people(vary: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue("alike" if vary == "gait" else "different")
    dataset = read(folder)
    trained, asking, asked = (
        {picture.person for picture in part} for part in (dataset.train, dataset.query, dataset.gallery)
    )
    assert len(trained) == 1 and asking == asked and len(asked) == 1 and not trained & asked
    queries = 2 if vary == "gait" else 4
    for part, tracks in ((dataset.train, 4), (dataset.query, queries), (dataset.gallery, 2)):
        found = tracks_of(part)
        assert len(found) == tracks and {len(track.paths) for track in found} == {FRAMES}
        assert {track.camera for track in found} == {1, 2}
        assert all([path.name for path in track.paths] == sorted(path.name for path in track.paths) for track in found)
    assert pixels(folder).shape[1:] == (128, 64, 3)


def test_people_alike_share_body_and_clothes_and_nothing_hides_them(alike: Path) -> None:
    people = cast(12, 3, "gait")
    assert len({(person.build, person.outfit) for person in people}) == 1
    assert people[0].outfit.bag is Bag.NONE
    meshes = [walker(person).mesh for person in people[:3]]
    assert all((mesh.colours == meshes[0].colours).all() for mesh in meshes)
    assert {row["fault"] for row in rows(alike)} == {""}
    # Of the gait itself, too, nothing but the beats.
    still = {replace(p.gait, strides_hz=1, arm_left_beat=None, arm_right_beat=None, trunk_beat=None) for p in people}
    assert len(still) == 1


def test_a_family_is_alike_but_for_details() -> None:
    people = cast(20, 3, "details")
    families = [people[first : first + FAMILY] for first in range(0, 20, FAMILY)]
    assert [len(family) for family in families] == [4] * 5 and [p.number for p in people] == list(range(1, 21))
    for family in families:
        head = family[0]
        for member in family:
            assert member.build == head.build
            worn = head.outfit
            assert replace(member.outfit, pattern=worn.pattern, bag=worn.bag, hair=worn.hair) == worn
        told = {tuple(attributes(member, "details").items()) for member in family}
        assert len(told) == len(family)
        for detail in ("pattern", "bag", "hair"):
            assert len({getattr(member.outfit, detail) for member in family}) == len(family)
        assert len({member.gait for member in family}) == len(family)
    assert len({family[0].outfit for family in families}) == 5
    assert cast(9, 3, "details") == people[:9]


def test_nobody_walks_as_somebody_else_does() -> None:
    beats = np.array([[float(value) for value in attributes(p, "gait").values()] for p in cast(60, 3, "gait")[20:]])
    spans = np.array([STRIDES[1] - STRIDES[0], *[BEATS[1] - BEATS[0]] * 3])
    assert (beats >= [STRIDES[0], *[BEATS[0]] * 3]).all() and (beats <= [STRIDES[1], *[BEATS[1]] * 3]).all()
    apart = (np.abs(beats[:, None] - beats[None]) / spans).max(axis=2)
    assert apart.shape == (40, 40) and apart[~np.eye(40, dtype=bool)].min() > 0.12


def test_one_moment_of_anybody_may_be_one_of_anybody_else() -> None:
    """Pose for pose: people of different beats, each at a suitable moment, stand alike; the next moment tells."""
    one, other = (person.gait for person in cast(2, 3, "gait"))
    start = {"phase": 0.3, "arm_left_beat": 0.1, "arm_right_beat": 2.0, "trunk_beat": 4.0}

    def begun(gait: object) -> object:
        beats = {name: Beat(getattr(gait, name).hz, at) for name, at in start.items() if name != "phase"}
        return replace(gait, phase=start["phase"], **beats)  # type: ignore[type-var]

    build = cast(1, 3, "gait")[0].build
    poses = [[walking(build, begun(gait), at).origins for at in (0.0, 0.2)] for gait in (one, other)]  # type: ignore[arg-type]
    np.testing.assert_array_equal(poses[0][0], poses[1][0])
    assert np.abs(poses[0][1] - poses[1][1]).max() > 0.02


def test_a_track_begins_anywhere_in_the_gait() -> None:
    gait = cast(1, 3, "gait")[0].gait
    starts = [restarted(gait, np.random.default_rng(seed)) for seed in range(40)]
    phases = np.array(
        [[s.phase, *(b.phase for b in (s.arm_left_beat, s.arm_right_beat, s.trunk_beat) if b)] for s in starts]
    )
    assert phases.shape == (40, 4) and (np.ptp(phases, axis=0) > 5).all()
    assert np.abs(np.corrcoef(phases.T) - np.eye(4)).max() < 0.5
    assert {
        replace(start, phase=0.0, arm_left_beat=None, arm_right_beat=None, trunk_beat=None) for start in starts
    } == {replace(gait, phase=0.0, arm_left_beat=None, arm_right_beat=None, trunk_beat=None)}


def test_people_of_the_demo_keep_arms_and_legs_together() -> None:
    gait = restarted(cast(1, 3, "clothes")[0].gait, np.random.default_rng(0))
    assert (gait.arm_left_beat, gait.trunk_beat, gait.sway) == (None, None, 0.0)


def test_the_manifest_tells_what_is_known_of_a_person(alike: Path, different: Path) -> None:
    assert set(rows(alike)[0]) >= {"legs_hz", "arm_left_hz", "arm_right_hz", "trunk_hz", "fault"}
    told = rows(different)[0]
    person = cast(1, 3, "clothes")[0]
    assert told["upper"] == person.outfit.upper.name.lower() and told["bag"] == person.outfit.bag.name.lower()
    assert told["top_colour"] == "#" + bytes(person.outfit.top).hex() and told["height"] == f"{person.build.height:.2f}"


def test_faults_come_in_as_many_frames_as_promised() -> None:
    for seed in range(30):
        band, spoiled = (faults(kind, 16, np.random.default_rng(seed)) for kind in FAULTS[1:])
        assert set(band) == {"", "band"} and set(spoiled) == {"", "spoiled"}
        assert spoiled.count("spoiled") == 10, "more than half, so that an average is of spoiled frames"
        # Most frames of a clip are as most frames of the track, wherever it begins.
        assert {band[first : first + 8].count("band") for first in range(9)} == {3}
        runs = "".join("x" if fault else " " for fault in band * 2).split()
        assert runs.count("xxx") >= 2 and set(map(len, runs[1:-1])) == {3}  # in a row
    assert len({tuple(faults("band", 16, np.random.default_rng(seed))) for seed in range(60)}) == 8
    assert set(faults("", 16, np.random.default_rng(0))) == {""}


def test_a_third_of_the_queries_has_each_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 100 people to be tested, the default, these are 133 or 134 queries each."""
    takes_of(Plan(20, 7, seed=3, vary="clothes"), tmp_path, monkeypatch)
    kinds: dict[str, dict[str, str]] = {"train": {}, "query": {}, "gallery": {}}
    for row in rows(tmp_path):
        track = kinds[row["split"]]
        track[row["track_id"]] = max(track.get(row["track_id"], ""), row["fault"])
    asked = list(kinds["query"].values())
    assert sorted(asked.count(kind) for kind in FAULTS) == [9, 9, 10]
    trained = list(kinds["train"].values())
    assert len(trained) == 80 and all(15 < trained.count(kind) < 40 for kind in FAULTS)


def test_who_passes_in_front_is_of_the_same_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan(12, 6, seed=3, vary="clothes")
    takes = takes_of(plan, tmp_path, monkeypatch)
    assert len(takes) == plan.tracks == 12 * 4 + 6 * 6
    number = {person.name: place for place, person in enumerate(cast(18, 3, "clothes"))}
    pairs = [(number[shot.walker.person.name], number[shot.passer.person.name]) for shot in takes if shot.passer]
    for trained in (True, False):
        chosen = [(walker, passer) for walker, passer in pairs if plan.trains(walker) is trained]
        assert len({passer for _, passer in chosen}) > 2
        assert all(plan.trains(passer) is trained and passer != walker for walker, passer in chosen)
    assert sum(shot.post_px is not None for shot in takes) > 8
    alone = takes_of(replace(plan, vary="gait"), tmp_path / "gait", monkeypatch)
    assert all(shot.passer is None and shot.post_px is None for shot in alone)


def test_a_band_hides_its_rows_and_a_spoiled_frame_nearly_everything() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(1, 256, (128, 64, 3)).astype(np.uint8)
    picture[32:64] = 200
    rows = band_rows(128, rng)
    assert BAND_HEIGHT[0] * 128 - 1 <= rows.stop - rows.start <= BAND_HEIGHT[1] * 128 + 1
    hidden = spoil(picture, "band", rows, rng)
    assert not hidden[rows].any() and (np.delete(hidden, rows, 0) == np.delete(picture, rows, 0)).all()
    assert spoil(picture, "", rows, rng) is picture
    spoiled = spoil(picture, "spoiled", rows, rng).astype(float)
    assert abs(np.corrcoef(spoiled.ravel(), picture.ravel())[0, 1]) < 0.5


def test_the_command_draws_into_an_empty_folder_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["walkers", "--out", str(tmp_path / "set"), "--people", "1", "--test-people", "1", "--vary", "gait"]
    codes = []
    for _ in range(2):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        codes.append(ended.value.code or 0)
    assert codes == [0, 2]
    told = capsys.readouterr()
    assert "manifest.csv" in told.out and "is not an empty folder" in told.err
    assert len(read(tmp_path / "set").train) == 4 * FRAMES


def test_nobody_to_test_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 1 each, got 1, 0"):
        draw_walkers(tmp_path, replace(PLAN, test_people=0))


def test_a_folder_that_cannot_be_made_is_told_with_the_cure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(SystemExit) as ended:
        main(["walkers", "--out", str(tmp_path / "file" / "x"), "--people", "1", "--test-people", "1"])
    assert ended.value.code == 2 and "name another folder with --out" in capsys.readouterr().err
