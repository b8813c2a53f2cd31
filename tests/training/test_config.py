"""Configurations of runs: what nothing reads is refused, what comes with the product can be used."""

from dataclasses import replace

import pytest
import torch

from model.shipped import shipped
from model.training.config import FinetuneConfig, PretrainConfig
from model.training.config_files import checked, read_config
from model.training.errors import BadConfig
from model.training.groups import frozen_blocks
from model.training.start import network_config, starting_network
from model.vills.config import find_config
from tests.model.shared_files import shared_file

SHIPPED = shipped("configs")
LEAST = {"sources": [{"data": "market1501", "share": 8}], "schedule": {"steps": 10}}


@pytest.mark.parametrize("name", SHIPPED)
def test_what_comes_with_the_product_can_be_used(name: str) -> None:
    values = read_config(name)
    if "pretrain" in name:
        network = checked(PretrainConfig, values, name).network
    else:
        network = checked(FinetuneConfig, values, name).network
    assert network_config(network).name == network.encoder


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stepps": 3}, "stepps: Extra inputs are not permitted"),
        ({"schedule": {"steps": 10, "rate": 1.0}}, "schedule.rate: Extra inputs"),
        ({"schedule": {"steps": "ten"}}, "schedule.steps: Input should be a valid integer, and is 'ten'"),
        ({"schedule": {}}, "schedule.steps: Field required"),
        ({"sources": []}, "sources: List should have at least 1 item"),
        ({"losses": {"triplet": -1.0}}, "losses.triplet: Input should be greater than or equal to 0"),
        ({"task": "pretrain"}, "task: Input should be 'finetune'"),
        ({"schedule": {"steps": 9, "milestones": [0.5], "last_lr": 0.1}}, "with milestones nothing reads last_lr"),
        ({"seed": -1}, "seed: Input should be greater than or equal to 0"),
        ({"seed": 2**70}, "seed: Input should be less than"),
        ({"schedule": {"steps": 10, "lr": float("inf")}}, "schedule.lr: Input should be a finite number"),
        # Bugs: the first ended in torch's traceback, the others were silent for as long as anybody waited.
        (
            {"schedule": {"steps": 10, "weight_decay": 1e300}},
            "schedule.weight_decay: Input should be less than or equal to 1000, and is 1e+300",
        ),
        (
            {"schedule": {"steps": 10, "accumulate": 10**9}},
            "schedule.accumulate: Input should be less than or equal to 64",
        ),
        ({"schedule": {"steps": 10**9}}, "schedule.steps: Input should be less than or equal to 1000000"),
        ({"tracks": 10**9}, "tracks: Input should be less than or equal to 256"),
        (
            {"sources": [{"data": "csv", "share": 100_000}]},
            "sources.0.share: Input should be less than or equal to 4096",
        ),
        ({"network": {"channels": 10**9}}, "network.channels: Input should be less than or equal to 4096"),
        ({"augment": {"scale": [1.2, 0.8]}}, "augment.scale: the first is the least"),
        ({"augment": {"erase_area": [0.1, 7.0]}}, "augment.erase_area.1: Input should be less than or equal to 1"),
        (
            {"losses": dict.fromkeys(("identity", "triplet", "propagation"), 0.0)},
            "every loss is 0: set one of identity",
        ),
        (
            {"sources": [{"data": "csv", "share": 1}], "tracks": 1, "images": False, "losses": {"propagation": 0.0}},
            "a batch is one clip",
        ),
        ({"images": False, "teachers": ["onnx:x"]}, "propagation, teachers look at images, and images is false"),
    ],
)
def test_a_key_nothing_reads_or_a_wrong_value_is_refused_by_name(changes: dict[str, object], said: str) -> None:
    with pytest.raises(BadConfig, match="cannot be used") as refused:
        checked(FinetuneConfig, LEAST | changes, "mine.toml")
    assert said in str(refused.value) and "mine.toml" in str(refused.value)


TAUGHT = {"teachers": ["onnx:x"]}
UNREAD: list[tuple[type[FinetuneConfig | PretrainConfig], dict[str, object], str]] = [
    (FinetuneConfig, {"losses": {"distil": 0.5}}, "losses.distil is 0.5 and nothing reads it, for teachers is []"),
    (FinetuneConfig, {"losses": {"cosines": 1.0}}, "losses.cosines is 1.0"),
    (FinetuneConfig, {"losses": {"regress": 2.0}}, "losses.regress is 2.0"),
    (FinetuneConfig, {"losses": {"distil_temperature": 0.2}}, "losses.distil_temperature is 0.2"),
    (FinetuneConfig, TAUGHT | {"losses": {"distil": 0.0, "regress": 0.0}}, "teachers are given and asked nothing"),
    (
        FinetuneConfig,
        TAUGHT | {"losses": {"distil": 0.0, "distil_temperature": 0.2}},
        "losses: distil_temperature is 0.2 and nothing reads it, for distil is 0: leave it out",
    ),
    (FinetuneConfig, {"losses": {"identity": 0.0, "smoothing": 0.2}}, "smoothing is 0.2"),
    (FinetuneConfig, {"losses": {"triplet": 0.0, "margin": 0.5}}, "margin is 0.5"),
    (FinetuneConfig, {"schedule": {"steps": 10, "warmup": 11}}, "warmup is 11 and has to be at most steps, 10"),
    (FinetuneConfig, {"augment": {"erase": 0.0, "erase_area": [0.1, 0.2]}}, "erase_area is (0.1, 0.2)"),
    (FinetuneConfig, {"network": {"adapters": False, "adapter_scale": 0.1}}, "adapter_scale is 0.1"),
    (PretrainConfig, {"network": {"adapters": False, "adapter_start": 8.0}}, "adapter_start is 8.0"),
    (FinetuneConfig, {"network": {"adapters": False, "adapter_every": 1}}, "adapter_every is 1"),
    (FinetuneConfig, {"network": {"adapter_every": 3, "adapter_scale": 0.1}}, "adapter_scale is 0.1"),
    (FinetuneConfig, {"network": {"encoder": "vills-tiny", "stem_scale": 0.1}}, "stem_scale is 0.1"),
    (PretrainConfig, {"schedule": {"steps": 10, "average": 0.9}}, "schedule.average is 0.9"),
    (PretrainConfig, {"losses": {"ibot": 0.0}, "masked_pictures": 0.3}, "masked_pictures is 0.3"),
    (PretrainConfig, {"losses": {"ibot": 0.0}, "masked_part": [0.2, 0.4]}, "masked_part is (0.2, 0.4)"),
    (PretrainConfig, {"masked_pictures": 0.0, "masked_part": [0.2, 0.4]}, "for masked_pictures is 0"),
    (PretrainConfig, {"losses": {"lse": 0.0, "parts": 0.0}, "regions": {"points": 3}}, "regions.points is 3"),
    (
        PretrainConfig,
        {"losses": {"lse": 0.0, "parts": 0.0}, "regions": {"proposer": "pose"}},
        "regions.proposer is pose",
    ),
]


@pytest.mark.parametrize(("kind", "changes", "said"), UNREAD)
def test_a_value_that_nothing_reads_is_refused_by_name(
    kind: type[FinetuneConfig | PretrainConfig], changes: dict[str, object], said: str
) -> None:
    """All of these were taken, and did nothing."""
    with pytest.raises(BadConfig) as refused:
        network_config(checked(kind, LEAST | changes, "mine").network)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (FinetuneConfig, {"losses": {"distil": 0.0, "regress": 1.0, "identity": 0.0, "smoothing": 0.1}}),
        (FinetuneConfig, {"network": {"adapters": False, "adapter_scale": 1.0, "adapter_every": 2}}),
        (FinetuneConfig, {"network": {"adapters": False, "adapter_scale": 0.0, "adapter_start": 0.0}}),
        (PretrainConfig, {"schedule": {"steps": 10, "average": 0.0}, "losses": {"ibot": 0.0}, "masked_pictures": 0.0}),
        (PretrainConfig, {"schedule": {"steps": 10}}),
    ],
)
def test_what_is_off_may_be_said_to_be_off_or_as_usual(
    kind: type[FinetuneConfig | PretrainConfig], changes: dict[str, object]
) -> None:
    """Else a configuration over another one could not switch a part off whose details that one gives."""
    network_config(checked(kind, LEAST | changes, "mine").network)


def test_views_of_pre_training_stay_its_own_where_one_value_of_them_is_changed() -> None:
    """The rest became fine-tuning's."""
    one = checked(PretrainConfig, LEAST | {"augment": {"flip": 0.0}}, "mine").augment
    assert one == PretrainConfig.model_fields["augment"].default.model_copy(update={"flip": 0.0})


def test_pairs_are_written_as_lists() -> None:
    config = checked(FinetuneConfig, LEAST | {"augment": {"scale": [0.8, 1], "erase_area": [0.0, 0.1]}}, "mine")
    assert (config.augment.scale, config.augment.erase_area) == ((0.8, 1.0), (0.0, 0.1))


def test_losses_of_pre_training_cannot_all_be_left_out() -> None:
    nothing = dict.fromkeys(("dino", "ibot", "koleo", "lse", "parts", "ufla"), 0.0)
    with pytest.raises(BadConfig, match="every loss is 0: set one of dino"):
        checked(PretrainConfig, LEAST | {"losses": nothing}, "mine")


def test_more_frozen_blocks_than_the_stem_has_are_refused() -> None:
    network = starting_network(find_config("vills-tiny"), 1, weights=None, stem_weights=None)
    assert frozen_blocks(network, 0) == []
    with pytest.raises(BadConfig, match=r"frozen_blocks is 3, and the stem of vills-tiny has 0 blocks"):
        frozen_blocks(network, 3)


def test_a_run_s_network_may_be_smaller_than_the_encoder_it_is_named_for() -> None:
    sizes = {"patch": 8, "channels": 48, "depth": 4, "adapter_every": 1, "frames": 16, "height": 64, "width": 32}
    config = checked(FinetuneConfig, LEAST | {"network": {"encoder": "vills-tiny", **sizes}}, "mine")
    made, own = network_config(config.network), find_config("vills-tiny")
    assert {name: getattr(made, name) for name in sizes} == sizes and made.adapter_blocks == (0, 1, 2, 3)
    assert (made.name, made.heads, made.dimension) == (own.name, own.heads, own.dimension)
    without = checked(FinetuneConfig, LEAST | {"network": {"depth": 4, "adapters": False}}, "mine")
    assert network_config(without.network).adapter_blocks == ()


def test_adapters_that_start_anew_may_start_larger() -> None:
    config = replace(find_config("vills-tiny"), depth=1, adapter_every=1)
    usual, larger = (
        starting_network(config, 3, weights=None, stem_weights=None, adapter_start=times).state_dict()
        for times in (1.0, 4.0)
    )
    grown = {name for name, tensor in usual.items() if not torch.equal(tensor, larger[name])}
    assert grown == {"adapters.0.down.weight", "adapters.0.up.weight"}
    assert all(torch.equal(4 * usual[name], larger[name]) for name in grown)
    silent = starting_network(config, 3, weights=None, stem_weights=None).state_dict()
    assert [name for name, tensor in usual.items() if not torch.equal(tensor, silent[name])] == ["adapters.0.up.weight"]
    assert not silent["adapters.0.up.weight"].any()


@pytest.mark.parametrize(
    ("sizes", "said"),
    [({"height": 100}, "100 x 128 pixels do not divide into 16"), ({"patch": 8}, "osnet makes tokens of 16 pixels")],
)
def test_a_size_the_network_cannot_have_is_refused(sizes: dict[str, int], said: str) -> None:
    config = checked(FinetuneConfig, LEAST | {"network": sizes}, "mine")
    with pytest.raises(BadConfig, match=said):
        network_config(config.network)


def test_a_network_on_a_published_stem_begins_with_what_that_stem_knows() -> None:
    """Its embeddings are as alike, before the neck, as the published network's vectors."""
    pytest.importorskip("onnx")
    config = network_config(checked(FinetuneConfig, LEAST, "test").network)
    network = starting_network(config, 3, weights=None, stem_weights=shared_file("models/retail-0248.onnx")).eval()
    frames = torch.rand(6, 3, 256, 128, generator=torch.Generator().manual_seed(1)) * 255
    frames[:, :, :, 64:] = frames[:, :, :, :64].flip(0)  # pairs that share halves
    with torch.no_grad():
        features = network.features(frames[:, None], torch.ones(6, 1, dtype=torch.bool))
        descriptor = network.stem(network.normalise(frames))[1]
    alike = [
        torch.nn.functional.cosine_similarity(each[:, None], each[None], dim=-1) for each in (features, descriptor)
    ]
    torch.testing.assert_close(*alike, rtol=0, atol=0.05)


def test_where_a_run_begins_is_a_matter_of_its_seed_alone() -> None:
    pytest.importorskip("onnx")
    config = network_config(checked(FinetuneConfig, LEAST, "test").network)
    ways = []
    for seed, drawn_before in ((3, 1), (3, 2), (4, 1)):
        torch.manual_seed(drawn_before)  # what the process has drawn until then
        network = starting_network(config, seed, weights=None, stem_weights=shared_file("models/retail-0248.onnx"))
        ways.append(network.state_dict())
    first, same, other = ways
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["fuse.weight"], other["fuse.weight"])
