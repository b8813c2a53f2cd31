"""Which weights a run of a published system begins from, and which it refuses."""

from pathlib import Path
from typing import Any

import pytest
import torch

from model.errors import WeightsMismatch
from model.network import ReidNetwork
from model.systems.config import SystemConfig, system_config
from model.systems.encoder import drawn_system
from model.training.system_start import starting_system
from model.weights import UNTRAINED, save_weights
from tests.model.small import small_network
from tests.systems.tiny import TINY


def config(name: str, **changes: Any) -> SystemConfig:
    return system_config(name, TINY[name] | changes)


def saved(folder: Path, network: ReidNetwork) -> Path:
    path = folder / "weights.safetensors"
    save_weights(path, network, UNTRAINED)
    return path


def refusal(run: SystemConfig, weights: Path) -> str:
    with pytest.raises(WeightsMismatch) as refused:
        starting_system(run, 2, weights=weights, stem_weights=None)
    return str(refused.value)


def test_weights_of_another_system_are_refused_by_name(tmp_path: Path) -> None:
    """They were told by a list of all that is missing."""
    for network, name in ((drawn_system(config("cosam")), "cosam"), (small_network(), "vills-test")):
        path = saved(tmp_path, network)
        told = f"{path} holds weights of {name}, and the run trains gltr: give weights of gltr"
        assert refusal(config("gltr"), path) == told


def test_weights_of_another_trunk_are_refused_though_all_shapes_fit(tmp_path: Path) -> None:
    """The two SE-ResNet-50 have their strides in other places: every tensor fitted, and none meant the same."""
    path = saved(tmp_path, drawn_system(config("sta", trunk="seresnet50")))
    told = refusal(config("sta", trunk="legacy_seresnet50"), path)
    assert "weights of sta with the trunk seresnet50, and the run trains sta with legacy_seresnet50" in told
    assert told.endswith("set settings.trunk to seresnet50")


@pytest.mark.parametrize(
    ("name", "changes"),
    [("baseline", {"height": 96, "width": 64, "frames": 3, "triplet_weight": 0.5}), ("gltr", {"dropout": 0.25})],
)
def test_what_changes_no_shape_may_differ(name: str, changes: dict[str, Any], tmp_path: Path) -> None:
    before = drawn_system(config(name), seed=1)
    begun = starting_system(config(name, **changes), 2, weights=saved(tmp_path, before), stem_weights=None)
    wanted = before.state_dict()
    assert all(torch.equal(tensor, wanted[key]) for key, tensor in begun.state_dict().items())
