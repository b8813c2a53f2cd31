"""Settings that look valid: what is read can be trained and asked, or is refused in the product's words."""

import copy
import functools
import re
from collections.abc import Callable, Iterator
from typing import Any, get_args

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from model.layers import frame_trunk
from model.layers.frame_trunk import FrameTrunk, TrunkName
from model.layers.map_sizes import last_rows, map_sizes
from model.systems.attribute_transfer import AttributeTransferConfig
from model.systems.config import SystemConfig, system_config
from model.systems.encoder import drawn_system
from model.systems.names import NAMES
from model.training.config_files import checked
from model.training.errors import BadConfig
from model.training.system_config import SystemRun
from model.training.transfer_config import TransferRun
from tests.systems.clip_batches import random_batch
from tests.systems.tiny import TINY

TRUNKS = ("mobilenetv2", "mobilenetv2", "resnet18", "legacy_seresnet50", "inception_v3")
STRIDED = ("gltr", "tkp", "attributes", "vrstc", "stmp", "m3d", "sta", "snippet")  # baseline and COSAM have a usual one
SIDES = st.sampled_from((32, 33, 47, 64, 74, 75, 80))
FEW = st.integers(1, 3)
POOLINGS = st.sampled_from(("average", "attention", "rnn"))
OWN: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "baseline": {"pooling": POOLINGS},
    "cosam": {
        "pooling": POOLINGS,
        "after": st.lists(st.integers(3, 5), unique=True),  # earlier ones compare more places than a test has time for
        "summary_layers": st.sampled_from((1, 2)),
        "channel": st.sampled_from(("residual", "plain")),
    },
    "gltr": {
        "dilations": st.lists(st.integers(1, 9), min_size=1, max_size=3),
        "raw_features": st.booleans(),
        "attention": st.sampled_from(("paper", "code")),
        "reduction": st.integers(1, 70),
    },
    "tkp": {"frames": st.integers(2, 4), "longest": FEW, "distance_variant": st.sampled_from(("code", "paper"))},
    "attributes": {"middle": st.floats(0.01, 1), "sigma": st.sampled_from((0.01, 0.07, 0.5, float("inf")))},
    "vrstc": {
        "non_local": st.booleans(),
        "completion": st.sampled_from(("off", "features")),
        "threshold": st.sampled_from((-1.0, 0.89, 1.0, "fence")),
    },
    "stmp": {"spatial_hidden": FEW, "gate_channels": FEW, "classifier_hidden": FEW},
    "m3d": {
        "frames": st.sampled_from((2, 3, 4, 8)),
        "dilations": st.lists(st.integers(1, 9), min_size=1, max_size=2),
        "attention_reduction": FEW,
    },
    "sta": {"bands": st.integers(1, 9), "margin": st.sampled_from((None, 0.3))},
    "snippet": {"stride": st.integers(1, 9), "pairs": st.sampled_from(("cross", "self")), "nearest": st.just(0.01)},
}


@pytest.fixture(scope="module", autouse=True)
def trunks_made_once() -> Iterator[None]:
    """Copies of one, as what timm takes seconds to draw is not what is looked at here."""

    def made_once(make: Callable[[], frame_trunk.Made]) -> Callable[[], frame_trunk.Made]:
        once = functools.cache(make)
        return lambda: copy.deepcopy(once())

    with pytest.MonkeyPatch.context() as patch:
        for name, make in list(frame_trunk._MAKERS.items()):
            patch.setitem(frame_trunk._MAKERS, name, made_once(make))
        yield


@st.composite
def drawn_settings(draw: st.DrawFn, name: str) -> dict[str, Any]:
    shared = {"trunk": st.sampled_from(TRUNKS), "frames": FEW, "height": SIDES, "width": SIDES}
    stride = {"last_stride": st.sampled_from((1, 2) if name in STRIDED else (None, 1, 2))}
    return TINY[name] | draw(st.fixed_dictionaries(shared | stride | OWN[name]))


def try_out(config: SystemConfig) -> None:
    """A step's losses, and what an image and a clip are embedded as."""
    network, frames = drawn_system(config, seed=1).train(), config.settings.frames
    size = (config.height, config.width)
    batch, system = random_batch(2, 2, frames, size), network.system
    losses = system.losses(batch, system.training_heads(2))
    assert [name for name, loss in losses.items() if not bool(loss.isfinite())] == []
    network.eval()
    for length in {1, frames}:
        clips = torch.zeros(1, length, 3, *size, dtype=torch.uint8)
        with torch.inference_mode():
            found = network.features(clips, torch.ones(1, length, dtype=torch.bool))
        assert found.shape == (1, network.dimension) and bool(found.isfinite().all())


@pytest.mark.parametrize("name", NAMES)
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # what is drawn is small: shrinking it would take longer than all the rest
    suppress_health_check=[HealthCheck.too_slow],
)
@given(data=st.data())
def test_what_is_read_can_be_trained_and_asked(name: str, data: st.DataObject) -> None:
    values = data.draw(drawn_settings(name))
    try:
        config = system_config(name, values)
    except ValueError as refused:
        # The rule with the value, and the cure.
        assert re.match(rf"{name} cannot be built: .+: \S+", str(refused))
        return
    try_out(config)


@pytest.mark.parametrize("name", STRIDED)
def test_inception_without_its_last_stride_is_refused(name: str) -> None:
    values = TINY[name] | {"trunk": "inception_v3", "last_stride": 1, "height": 130, "width": 96}
    with pytest.raises(ValueError, match=rf"{name} cannot be built: .*: set settings\.last_stride to 2"):
        system_config(name, values)
    system_config(name, values | {"last_stride": 2})


@pytest.mark.parametrize(
    ("system", "values", "told"),
    [
        ("stmp", {"last_stride": 1}, "inception_v3 halves its last map.*set settings.last_stride to 2"),
        ("sta", {"trunk": "inception_v3", "last_stride": 2, "height": 64}, "inception_v3 needs frames of 75 pixels"),
        ("sta", {"bands": 17}, "each of 17 bands at least, and frames of 256 pixels give 16: raise `height`"),
        ("tkp", {"frames": 2}, "TKP's clips have 3 frames or more"),
    ],
)
def test_a_run_is_refused_before_its_data_are_read(system: str, values: dict[str, Any], told: str) -> None:
    run = {"system": system, "settings": values, "sources": [{"data": "csv", "share": 2}], "schedule": {"steps": 1}}
    with pytest.raises(BadConfig, match=told):
        checked(SystemRun, run, "test")


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_of_one_clip_is_refused(name: str) -> None:
    """Batch norms of vectors need two of them; losses that compare have nothing to compare."""
    values = TINY[name] | ({"sigma": float("inf")} if name == "attributes" else {})
    run = {"system": name, "settings": values, "schedule": {"steps": 1}, "tracks": 1}
    with pytest.raises(BadConfig, match=r"a batch has two clips or more, .* is 1: raise `tracks`"):
        checked(SystemRun, run | {"sources": [{"data": "csv", "share": 1}]}, "test")
    more = 2 if name == "snippet" else 1
    for sources in (
        [{"data": "csv", "share": 1 + more}],
        [{"data": "csv", "share": 1}, {"data": "mars", "share": more}],
    ):
        checked(SystemRun, run | {"sources": sources}, "test")


def test_a_batch_of_a_single_pair_is_refused() -> None:
    """The first of two clips is compared with the second of all twos, and a batch norm of one row is none."""
    run = {"system": "snippet", "settings": TINY["snippet"], "schedule": {"steps": 1}, "tracks": 2}
    with pytest.raises(BadConfig, match=r"needs two pairs, and tracks by shares is 2: raise `tracks`"):
        checked(SystemRun, run | {"sources": [{"data": "csv", "share": 1}]}, "test")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"trunk": "inception_v3", "last_stride": 1}, "set settings.last_stride to 2"),
        ({"trunk": "inception_v3", "height": 64}, "inception_v3 needs frames of 75 pixels each way"),
        ({"height": 0}, "height"),
        ({"feature": 0}, "feature"),
    ],
)
def test_settings_of_attribute_transfer_that_cannot_be_are_refused(values: dict[str, Any], told: str) -> None:
    run = {
        "labelled": {"data": "csv", "share": 2},
        "target": {"data": "mars", "share": 2},
        "attributes": {"head": ["hair"]},
        "settings": values,
        "schedule": {"steps": 1, "average": 0.0},
    }
    with pytest.raises(BadConfig, match=told):
        checked(TransferRun, run, "test")
    AttributeTransferConfig()


@pytest.mark.parametrize("trunk", get_args(TrunkName))
@pytest.mark.parametrize("last_stride", [1, 2])
def test_rows_are_told_as_the_trunk_has_them(trunk: TrunkName, last_stride: Any) -> None:
    if trunk == "inception_v3" and last_stride == 1:
        return
    made = FrameTrunk(trunk, last_stride=last_stride)
    for height, width in ((75, 76), (97, 111), (130, 162), (255, 299)):
        rows, columns = map_sizes(made, height, width)[-1]
        told = (last_rows(trunk, last_stride, height), last_rows(trunk, last_stride, width))
        assert told == (rows, columns)
