"""VRSTC's second stage: tau is measured where a configuration asks for it."""

import numpy as np
import pytest
import torch

from model.data.samplers import ClipSampler, PersonSampler
from model.data.training_set import TrainingSet, TrainTrack
from model.layers.occlusion import lower_fence
from model.training.completer import completer_of
from model.training.completion import CompletionTask
from model.training.config_files import checked
from model.training.errors import BadConfig
from model.training.system_config import SystemRun
from model.training.system_task import SystemData
from model.training.whole_tracks import WholeTracks
from tests.systems.tiny import TINY
from tests.training import test_completed as drawn


def task() -> CompletionTask:
    values = {"system": "vrstc", "stage": "completion", "sources": [{"data": "csv", "share": 2}]}
    settings = TINY["vrstc"] | {"threshold": "fence"}
    config = checked(SystemRun, values | {"settings": settings, "schedule": {"steps": 1, "average": 0.0}}, "test")
    sampler = ClipSampler(PersonSampler(drawn.DATA, (2,), 1, 2, 1), "window", 1)
    return CompletionTask(drawn.network("fence"), config, SystemData(drawn.pixels(), sampler, None))


def test_tau_is_the_fence_of_all_bands_of_the_training_tracks() -> None:
    learning, steps = task(), list[int]()
    network = learning.module.network
    assert completer_of(network).threshold.isneginf()
    learning.measure_fence("cpu", steps.append)
    assert sum(steps) == learning.n_pictures
    tracks = WholeTracks(network, drawn.pixels(), "cpu")
    scores = torch.cat([tracks.scores(rows) for rows in drawn.ROWS if len(rows) > 1])  # one frame is its own mean
    tau = completer_of(network).threshold
    assert float(tau) == pytest.approx(lower_fence(scores)) and 0 < float(tau) < 1
    kept = learning.module.state_dict()["network.system.completer.threshold"]
    assert torch.equal(kept, tau)  # so that a checkpoint has it, and the weights


def test_single_pictures_have_no_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    single = TrainTrack(np.array([7]), 0, 0)
    data = TrainingSet((single,), (np.array([0]),), (np.array([0]),), np.zeros(1, np.int64))
    monkeypatch.setattr(drawn, "DATA", data)
    with pytest.raises(BadConfig, match="none of 1 has them: set it to a number"):
        task().measure_fence("cpu", lambda _: None)
