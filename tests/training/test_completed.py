"""VRSTC's data set, completed before its last stage: what is drawn, what stays, and what a run finds again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from model.data.pack import Pixels
from model.data.training_set import TrainingSet, TrainTrack
from model.layers.signed_pixels import as_pixels
from model.systems.config import system_config
from model.systems.encoder import drawn_system
from model.systems.network import SystemNetwork
from model.systems.vrstc import VRSTC
from model.training import whole_tracks
from model.training.checkpoint import Checkpoint
from model.training.completed import Completed, completed
from model.training.completer import completer_of, recall
from model.training.errors import BadCheckpoint
from model.training.place import RunPlace
from model.training.whole_tracks import WholeTracks
from tests.systems.tiny import TINY

# One track is kept backwards, one is a single picture; pictures 8 and 9 belong to none.
ROWS = (np.array([6, 5, 4, 3, 2, 1, 0]), np.array([7]), np.array([10, 11, 12, 13]))
DATA = TrainingSet(
    tuple(TrainTrack(rows, number, 0) for number, rows in enumerate(ROWS)),
    tuple(np.array([number]) for number in range(3)),
    (np.arange(3),),
    np.zeros(3, np.int64),
)
TAU = 0.99  # bands look much alike to a network that learnt nothing


def network(threshold: float | str = TAU, seed: int = 1) -> SystemNetwork:
    return drawn_system(system_config("vrstc", TINY["vrstc"] | {"threshold": threshold}), seed).eval()


def pixels() -> Pixels:
    """Noise about one colour, and blanked bands in two tracks and in a picture of none."""
    rng = np.random.default_rng(3)
    shown = (120 + rng.integers(-60, 61, (14, 64, 32, 3))).astype(np.uint8)
    shown[[3, 4, 8], :21] = 0
    shown[11, 43:] = 255
    return shown


@contextmanager
def silent(_title: str, _total: int) -> Iterator[Callable[[int], None]]:
    yield lambda _steps: None


def make(folder: Path, net: SystemNetwork | None = None, named: str = "drawn") -> Completed:
    folder.mkdir(exist_ok=True)
    place = RunPlace(out=folder, cache=folder, data={})
    return completed(net or network(), pixels(), DATA, named, place, silent)


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {each.name: (each.stat().st_ino, each.read_bytes()) for each in folder.glob("*.npy")}


def everything(found: Completed) -> Pixels:
    return found[np.arange(len(found))]


def test_what_is_drawn_is_what_complete_gives_for_the_whole_track(tmp_path: Path) -> None:
    net, before = network(), pixels()
    found = make(tmp_path, net)
    assert found.shape == before.shape and len(found) == len(before)
    assert isinstance(net.system, VRSTC)
    n_changed = 0
    for rows in ROWS:
        seen = net.normalise(torch.from_numpy(before[rows]).permute(0, 3, 1, 2))[None]
        wanted = net.system.complete(seen)[0]
        changed = (wanted != seen[0]).any(dim=1).numpy()  # (n, H, W)
        assert np.array_equal(found[rows][~changed], before[rows][~changed])
        apart = np.abs(found[rows].astype(int) - as_pixels(wanted).numpy().astype(int))
        assert apart.max() <= 1  # what rounding makes of batches of another size
        n_changed += int(changed.any(axis=(1, 2)).sum())
    assert n_changed >= 3  # the blanked ones at least


def test_pixels_outside_occluded_bands_and_tracks_stay_bit_for_bit(tmp_path: Path) -> None:
    before, after = pixels(), everything(make(tmp_path))
    tracks = WholeTracks(network(), before, "cpu")
    bands = np.zeros((14, 3), np.bool_)
    for rows in ROWS:
        bands[rows] = tracks.occluded(rows)
    assert bands[[3, 4], 0].all() and bands[11, 2] and not bands.all()
    kept = ~np.repeat(bands[:, np.arange(64) * 3 // 64, None], 32, axis=2)  # (N, H, W)
    assert np.array_equal(after[kept], before[kept])
    assert (after[~kept] != before[~kept]).mean() > 0.9
    assert np.array_equal(after[[7, 8, 9]], before[[7, 8, 9]])


def test_rows_are_had_in_any_order_and_the_pack_stays(tmp_path: Path) -> None:
    found, before = make(tmp_path), pixels()
    rows = np.array([11, 0, 11, 8])
    assert np.array_equal(found[rows], everything(found)[rows])
    found[rows][:] = 7
    assert np.array_equal(found._pixels, before)


def test_only_redrawn_pictures_are_kept_and_a_run_that_goes_on_finds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, kept = everything(make(tmp_path)), files(tmp_path)
    redrawn = (first != pixels()).any(axis=(1, 2, 3)).sum()
    assert sorted(len(each) // 6144 for _, each in kept.values()) == [0, redrawn]
    monkeypatch.setattr(WholeTracks, "scores", lambda _self, _rows: pytest.fail("scored again"))
    assert np.array_equal(everything(make(tmp_path)), first)
    assert files(tmp_path) == kept


@pytest.mark.parametrize("which", ["pictures", "bands"])
@pytest.mark.parametrize("how", ["cut", "gone", "other"])
def test_a_damaged_file_is_made_again(tmp_path: Path, which: str, how: str) -> None:
    first, kept = everything(make(tmp_path)), files(tmp_path)
    name = next(each for each in kept if each.endswith(".bands.npy") == (which == "bands"))
    if how == "cut":
        (tmp_path / name).write_bytes(kept[name][1][:-1])
    elif how == "gone":
        (tmp_path / name).unlink()
    else:
        np.save(tmp_path / name, np.zeros((2, 3)))
    assert np.array_equal(everything(make(tmp_path)), first)
    assert {each: whole for each, (_, whole) in files(tmp_path).items()} == {
        each: whole for each, (_, whole) in kept.items()
    }


def test_half_a_file_of_a_killed_run_is_never_taken_for_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(_self: WholeTracks, rows: Pixels, _bands: Pixels) -> Iterator[tuple[Pixels, Pixels]]:
        yield rows[:1], np.zeros((1, 64, 32, 3), np.uint8)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(WholeTracks, "redrawn", killed)
        with pytest.raises(KeyboardInterrupt):
            make(tmp_path)
    left = everything(make(tmp_path))
    assert np.array_equal(left, everything(make(tmp_path / "whole")))
    assert len(files(tmp_path)) == 2


def test_other_data_and_other_networks_are_drawn_anew(tmp_path: Path) -> None:
    first = files(tmp_path) if make(tmp_path) else {}
    make(tmp_path, named="other")
    second = files(tmp_path)
    make(tmp_path, network(seed=2), named="other")
    third = files(tmp_path)
    assert [len(each) for each in (first, second, third)] == [2, 2, 2]  # the old ones make room
    assert not set(first) & set(second) and not set(second) & set(third)


def test_where_nothing_is_hidden_everything_stays(tmp_path: Path) -> None:
    net = network(threshold=-1.0)
    for _ in range(2):
        assert np.array_equal(everything(make(tmp_path, net)), pixels())


def test_a_track_longer_than_a_piece_is_as_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean and the neighbours are the whole track's, wherever it is cut."""
    tracks, rows = WholeTracks(network(), pixels(), "cpu"), ROWS[0]
    bands = np.zeros((7, 3), np.bool_)
    bands[1:6, 0] = True
    scores, whole = tracks.scores(rows), [*tracks.redrawn(rows, bands)]
    monkeypatch.setattr(whole_tracks, "PIECE", 2)
    torch.testing.assert_close(tracks.scores(rows), scores)
    pieces = [*tracks.redrawn(rows, bands)]
    assert [len(each) for each, _ in whole] == [5] and [len(each) for each, _ in pieces] == [2, 2, 1]
    assert np.array_equal(np.concatenate([each for each, _ in pieces]), whole[0][0])
    apart = np.concatenate([drawn for _, drawn in pieces]).astype(int) - whole[0][1]
    assert np.abs(apart).max() <= 1


def test_a_run_that_goes_on_completes_by_the_completer_it_began_with() -> None:
    begun, drawn = network(seed=1), network(seed=2)
    module = {f"network.{name}": tensor for name, tensor in begun.state_dict().items()}
    recall(drawn, None)
    recall(drawn, Checkpoint(1, "", "", 1, module, {}))
    for name, tensor in completer_of(begun).state_dict().items():
        assert torch.equal(completer_of(drawn).state_dict()[name], tensor)
    with pytest.raises(BadCheckpoint, match="give the data it began with"):
        recall(drawn, Checkpoint(1, "", "", 1, {}, {}))
