"""Which weights a run of a published system begins from, and which it refuses."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from model.errors import WeightsMismatch
from model.layers.frame_trunk import FrameTrunk, trunks_of
from model.network import ReidNetwork
from model.systems.config import SystemConfig, system_config
from model.systems.encoder import drawn_system
from model.systems.names import NAMES
from model.systems.network import SystemNetwork
from model.training.config_files import checked, read_config
from model.training.system_config import FOLDER, SystemRun
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


def trunk_of(network: SystemNetwork) -> dict[str, Tensor]:
    """Its tensors, of the one it has."""
    start = "system.trunk."
    return {key.removeprefix(start): each for key, each in network.state_dict().items() if key.startswith(start)}


def refusal(run: SystemConfig, weights: Path) -> str:
    with pytest.raises(WeightsMismatch) as refused:
        starting_system(run, 2, weights=weights, stem_weights=None)
    return str(refused.value)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "baseline"])
def test_every_system_may_begin_from_a_baseline_s_trunk(name: str, tmp_path: Path) -> None:
    """Of pictures, at another size; what is beside the trunk stays as the seed says."""
    run = config(name)
    drawn = drawn_system(run, 2)
    trunks = {key: module.last_stride for key, module in drawn.named_modules() if isinstance(module, FrameTrunk)}
    pictures = {"frames": 1, "height": 96, "width": 48, "last_stride": min(trunks.values())}
    baseline = drawn_system(config("baseline", **pictures), seed=1)
    begun = starting_system(run, 2, weights=saved(tmp_path, baseline), stem_weights=None).state_dict()
    wanted = drawn.state_dict() | {f"{own}.{key}": each for own in trunks for key, each in trunk_of(baseline).items()}
    assert begun.keys() == wanted.keys() and all(torch.equal(each, wanted[key]) for key, each in begun.items())


def test_a_baseline_of_another_trunk_or_last_stride_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, drawn_system(config("baseline", last_stride=2)))
    told = refusal(config("gltr"), path)
    assert "a trunk with the last stride 2, and gltr's is 1: give weights of a baseline with that one" in told
    told = refusal(config("gltr", trunk="resnet18"), path)
    assert "weights of baseline with the trunk mobilenetv2, and the run trains gltr with resnet18" in told


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("gltr-trunk", "gltr"),
        ("gltr-trunk-small", "gltr-small"),
        ("m3d-trunk", "m3d"),
        ("m3d-trunk-small", "m3d-small"),
    ],
)
def test_stages_that_ship_follow_each_other(first: str, second: str, tmp_path: Path) -> None:
    pictures, clips = (
        checked(SystemRun, read_config(name, folder=FOLDER), name).network_config() for name in (first, second)
    )
    baseline = drawn_system(pictures, 1)
    begun = starting_system(clips, 2, weights=saved(tmp_path, baseline), stem_weights=None)
    trunks = [trunk.state_dict() for trunk in trunks_of(begun)]
    wanted = trunk_of(baseline)
    assert trunks and all(torch.equal(each, trunk[key]) for trunk in trunks for key, each in wanted.items())


def test_weights_of_another_system_are_refused_by_name(tmp_path: Path) -> None:
    """They were told by a list of all that is missing."""
    for network, name in ((drawn_system(config("cosam")), "cosam"), (small_network(), "vills-test")):
        path = saved(tmp_path, network)
        told = f"{path} holds weights of {name}, and the run trains gltr: give weights of gltr or baseline"
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


@pytest.mark.parametrize(
    ("name", "changes", "beside"),
    [
        ("cosam", {"frames": 8}, {"smoothing": 0.2}),
        ("cosam", {"height": 96}, {}),
        ("stmp", {"height": 96}, {"short": "as they are"}),
        ("m3d", {"frames": 8}, {}),
        ("baseline", {"pooling": "rnn"}, {"frames": 3}),
    ],
)
def test_settings_that_shape_tensors_are_named_and_no_others(
    name: str, changes: dict[str, Any], beside: dict[str, Any], tmp_path: Path
) -> None:
    """Bug: the message listed tensors, and help and guide said that any size would do."""
    before = drawn_system(config(name), seed=1)
    told = refusal(config(name, **changes, **beside), saved(tmp_path, before))
    for key, value in changes.items():
        was = getattr(before.config.settings, key)
        assert f"trained with {key} = {was}, and the run has {key} = {value}: set settings.{key} as it was" in told
    assert not any(key in told for key in ("system.", *beside))


def test_a_setting_inside_another_is_named_as_it_is_set(tmp_path: Path) -> None:
    path = saved(tmp_path, drawn_system(config("vrstc"), seed=1))
    told = refusal(config("vrstc", stcnet={"size": (32, 16), "width": 8}), path)
    assert (
        "trained with stcnet.width = 4, and the run has stcnet.width = 8: set settings.stcnet.width as it was" in told
    )


def test_damaged_weights_are_no_matter_of_settings(tmp_path: Path) -> None:
    path = saved(tmp_path, drawn_system(config("gltr"), seed=1))
    with safe_open(path, framework="pt") as file:
        header = file.metadata()
    tensors = load_file(path)
    del tensors["system.embed.weight"]
    damaged = tmp_path / "damaged.safetensors"
    save_file(tensors, damaged, metadata=header)
    told = refusal(config("gltr", dropout=0.25), damaged)
    assert "missing system.embed.weight" in told and "settings" not in told
