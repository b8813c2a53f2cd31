"""VRSTC's second stage: which pictures it learns from, and tau, which is measured where a configuration asks for it."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor

from model.data.samplers import ClipSampler, PersonSampler
from model.data.training_set import TrainingSet, TrainTrack
from model.layers.occlusion import lower_fence
from model.systems.stcnet import STCnet, STCnetHeads, Windows
from model.training.completer import completer_of
from model.training.completion import CompletionTask
from model.training.config_files import checked
from model.training.errors import BadConfig
from model.training.system_config import SystemRun
from model.training.system_task import SystemData
from model.training.whole_tracks import WholeTracks
from tests.systems.tiny import TINY
from tests.training import test_completed as drawn

LONG, ODD = 40, 17  # pictures of a track, of which one is odd
FRAMES = 4  # of a clip


def task(
    data: TrainingSet = drawn.DATA, pixels: np.ndarray | None = None, threshold: float | str = "fence", frames: int = 2
) -> CompletionTask:
    values = {"system": "vrstc", "stage": "completion", "sources": [{"data": "csv", "share": 2}]}
    settings = TINY["vrstc"] | {"threshold": threshold, "frames": frames}
    config = checked(SystemRun, values | {"settings": settings, "schedule": {"steps": 1, "average": 0.0}}, "test")
    sampler = ClipSampler(PersonSampler(data, (2,), 2, frames, 1), "window", 1)
    shown = drawn.pixels() if pixels is None else pixels
    return CompletionTask(drawn.network(threshold), config, SystemData(shown, sampler, None))


def one_track(length: int) -> TrainingSet:
    track = TrainTrack(np.arange(length), 0, 0)
    return TrainingSet((track,), (np.array([0]),), (np.array([0]),), np.zeros(1, np.int64))


def with_an_odd_one() -> np.ndarray:
    """A track of LONG pictures that look much alike, but for the lower third of one."""
    rng = np.random.default_rng(4)
    shown = (120 + rng.integers(-60, 61, (LONG, 64, 32, 3))).astype(np.uint8)
    shown[ODD, 43:] = 255
    return shown


def test_tau_is_the_fence_of_all_bands_of_the_training_tracks() -> None:
    learning, steps = task(), list[int]()
    network = learning.module.network
    assert completer_of(network).threshold.isneginf()
    learning.find_clear("cpu", steps.append)
    assert sum(steps) == learning.n_pictures
    tracks = WholeTracks(network, drawn.pixels(), "cpu")
    scores = torch.cat([tracks.scores(rows) for rows in drawn.ROWS if len(rows) > 1])  # one frame is its own mean
    tau = completer_of(network).threshold
    assert float(tau) == pytest.approx(lower_fence(scores)) and 0 < float(tau) < 1
    kept = learning.module.state_dict()["network.system.completer.threshold"]
    assert torch.equal(kept, tau)  # so that a checkpoint has it, and the weights


def test_single_pictures_have_no_fence() -> None:
    with pytest.raises(BadConfig, match="none of 1 has them: set it to a number"):
        task(one_track(1)).find_clear("cpu", lambda _: None)


def test_a_picture_is_clear_where_its_whole_track_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame is a fourth of the mean of a clip of four, and scores higher there: what is hidden in it was learnt."""
    data, pixels = one_track(LONG), with_an_odd_one()
    tracks = WholeTracks(drawn.network(), pixels, "cpu")
    strange = float(tracks.scores(np.arange(LONG))[ODD].min())
    usual = min(float(tracks.scores(np.arange(first, first + FRAMES)).min()) for first in range(LONG - FRAMES + 1))
    assert usual - strange > 1e-4
    learning = task(data, pixels, threshold=(usual + strange) / 2, frames=FRAMES)
    learning.find_clear("cpu", lambda _: None)
    assert torch.nonzero(~learning.module.clear).flatten().tolist() == [ODD]
    learnt: list[int] = []

    def spied(self: STCnet, windows: Windows, person: Tensor, heads: STCnetHeads) -> Mapping[str, Tensor]:
        learnt.append(len(windows.frames))
        assert len(person) == len(windows.frames)
        return {}

    monkeypatch.setattr(STCnet, "losses", spied)
    for step in range(20):
        rows = learning._data.sampler.draw(step).rows
        learning.module(learning.batch(step, 0, "cpu"))
        assert learnt.pop() == rows.size - (rows == ODD).sum()
        if (rows == ODD).any():
            return
    pytest.fail("the odd picture was never drawn")


def test_a_checkpoint_has_which_pictures_are_clear() -> None:
    first, second = task(threshold=drawn.TAU), task(threshold=drawn.TAU)
    first.find_clear("cpu", lambda _: None)
    clear = first.module.clear
    assert clear[drawn.ROWS[1]].all() and not clear[[3, 4, 11]].any()
    second.module.load_state_dict(first.module.state_dict())
    for step in range(4):
        one, other = (each.batch(step, 0, "cpu") for each in (first, second))
        rows = first._data.sampler.draw(step).rows
        wanted = clear[rows]
        wanted[:, 1] &= torch.from_numpy(rows[:, 1] != rows[:, 0])  # of a single picture
        assert torch.equal(one["clear"], wanted) and torch.equal(other["clear"], wanted)


def test_no_copy_of_a_frame_stands_beside_it() -> None:
    """A track of three, shown as a clip of four, begins again: the first frame's neighbour was the same frame."""
    learning = task(one_track(3), with_an_odd_one()[:3], threshold=-1.0, frames=FRAMES)
    learning.find_clear("cpu", lambda _: None)
    batch = learning.batch(0, 0, "cpu")
    assert batch["clear"].tolist() == [[True, True, True, False]] * len(batch["frames"])


def test_where_something_is_hidden_in_every_picture_nothing_can_be_learnt() -> None:
    with pytest.raises(BadConfig, match=r"below settings\.threshold, 1\.000, and none of 40 is such: lower it"):
        task(one_track(LONG), with_an_odd_one(), threshold=1.0).find_clear("cpu", lambda _: None)
