"""Trunk and temporal pooling: what the baselines give, and what they learn from."""

from dataclasses import replace
from typing import get_args

import pytest
import torch
import torch.nn.functional as F

from model.layers.frame_trunk import TrunkName
from model.layers.map_sizes import map_sizes
from model.layers.temporal_pooling import AttentionPooling, PoolingName
from model.systems.baseline import Baseline, BaselineConfig, vector_losses
from tests.systems.clip_batches import enliven, random_batch
from tests.systems.learning import assert_every_gradient, settle

SMALL = BaselineConfig(trunk="resnet18", height=64, width=32)
NAMES: tuple[PoolingName, ...] = get_args(PoolingName)
SHIFT = "score.bias"  # all scores higher or lower by one number: softmax does not see it


def small(pooling: PoolingName = "average", config: BaselineConfig = SMALL) -> Baseline:
    torch.manual_seed(0)
    network = Baseline(replace(config, pooling=pooling))
    enliven(network)
    if isinstance(network.pooling, AttentionPooling):
        torch.nn.init.ones_(network.pooling.score.bias)  # type: ignore[arg-type]
    return network


def still(pooling: PoolingName = "average", config: BaselineConfig = SMALL) -> Baseline:
    """For inference."""
    return settle(small(pooling, config), torch.randn(2, 4, 3, 64, 32))


@pytest.mark.parametrize("pooling", NAMES)
@pytest.mark.parametrize("frames", [1, 4, 7])
def test_any_number_of_frames_gives_one_vector(pooling: PoolingName, frames: int) -> None:
    network = still(pooling)
    with torch.inference_mode():
        features = network.features(torch.randn(2, frames, 3, 64, 32))
    assert features.shape == (2, network.dimension)
    assert bool(features.isfinite().all())
    assert (network.fixed, network.frames) == (False, 4)


@pytest.mark.parametrize("trunk", get_args(TrunkName))
def test_any_trunk_serves(trunk: TrunkName) -> None:
    size = (139, 139) if trunk == "inception_v3" else (64, 32)
    network = Baseline(BaselineConfig(trunk=trunk, height=size[0], width=size[1])).eval()
    with torch.inference_mode():
        assert network.features(torch.randn(1, 2, 3, *size)).shape == (1, network.trunk.channels[-1])


def test_the_average_is_that_of_all_places_of_all_frames() -> None:
    network, clips = still(), torch.randn(2, 3, 3, 64, 32)
    with torch.inference_mode():
        frames = [network.trunk(clips[:, t]).flatten(2) for t in range(3)]
        torch.testing.assert_close(network.features(clips), torch.cat(frames, dim=2).mean(dim=2))


@pytest.mark.parametrize("pooling", NAMES)
def test_only_the_average_does_not_mind_the_order(pooling: PoolingName) -> None:
    network, clips = still(pooling), torch.randn(1, 4, 3, 64, 32)
    with torch.inference_mode():
        forth, back = network.features(clips), network.features(clips.flip(1))
    if pooling == "average":
        torch.testing.assert_close(forth, back)
    else:
        assert (forth - back).abs().max() > 1e-4


@pytest.mark.parametrize("pooling", ["average", "attention"])
def test_an_image_has_the_vector_of_its_copies(pooling: PoolingName) -> None:
    network, image = still(pooling), torch.randn(2, 1, 3, 64, 32)
    with torch.inference_mode():
        torch.testing.assert_close(network.features(image), network.features(image.expand(-1, 5, -1, -1, -1)))


@pytest.mark.parametrize("pooling", NAMES)
def test_every_parameter_gets_a_gradient(pooling: PoolingName) -> None:
    network, batch = small(pooling), random_batch(2, 2, 4, (64, 32))
    heads = network.training_heads(3)
    losses = network.losses(batch, heads)
    assert set(losses) == {"identity", "triplet"}
    assert_every_gradient(losses, network, heads, vanishing=[SHIFT])


def test_the_losses_are_the_published_ones() -> None:
    config = replace(SMALL, margin=0.7, smoothing=0.2, triplet_weight=3.0)
    network, batch = still(config=config), random_batch(3, 2, 2, (64, 32))
    heads = network.training_heads(5)
    with torch.inference_mode():
        losses, features = network.losses(batch, heads), network.features(batch.clips)
        hard = []
        for a in range(6):
            apart = [(features[a] - features[n]).norm() for n in range(6)]
            same = max(apart[n] for n in range(6) if n // 2 == a // 2)
            other = min(apart[n] for n in range(6) if n // 2 != a // 2)
            hard.append((0.7 + same - other).clamp(min=0))
        torch.testing.assert_close(losses["triplet"], 3 * torch.stack(hard).mean())
        cross_entropy = F.cross_entropy(heads(features), batch.person, label_smoothing=0.2)
    torch.testing.assert_close(losses["identity"], cross_entropy)


def test_a_soft_margin_can_be_had() -> None:
    features, person = torch.tensor([[0.0], [1.0], [5.0], [5.5]]), torch.tensor([0, 0, 1, 1])
    losses = vector_losses(features, torch.zeros(4, 2), person, 0.1, None)
    want = F.softplus(torch.tensor([1.0 - 5, 1 - 4, 0.5 - 4, 0.5 - 4.5])).mean()
    torch.testing.assert_close(losses["triplet"], want)


@pytest.mark.parametrize("pooling", NAMES)
def test_half_precision_changes_little(pooling: PoolingName) -> None:
    network, clips = still(pooling), torch.randn(2, 4, 3, 64, 32)
    with torch.inference_mode():
        whole = network.features(clips)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = network.features(clips)
    assert half.dtype == torch.float32
    assert bool((F.cosine_similarity(whole, half) > 0.99).all())


@pytest.mark.parametrize("shape", [(1, 2, 3, 32, 64), (1, 0, 3, 64, 32), (2, 3, 64, 32)])
def test_other_clips_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"64, 32\) of one frame or more"):
        small().features(torch.zeros(shape))


def test_a_last_stride_can_be_chosen() -> None:
    def map_size(config: BaselineConfig) -> tuple[int, int]:
        return map_sizes(Baseline(config).trunk, 64, 32)[-1]

    assert map_size(replace(SMALL, last_stride=2)) == (2, 1)
    assert map_size(SMALL) == (4, 2)
    assert map_size(replace(SMALL, pooling="attention")) == (2, 1)


@pytest.mark.parametrize(("pooling", "dimension"), [("average", 2048), ("rnn", 512)])
def test_vectors_are_as_long_as_the_paper_s(pooling: PoolingName, dimension: int) -> None:
    assert Baseline(BaselineConfig(pooling=pooling)).dimension == dimension


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("trunk", "pooling"), [*(("resnet50", name) for name in NAMES), ("legacy_seresnet50", "average")]
)
def test_learns_at_the_paper_s_size(trunk: TrunkName, pooling: PoolingName) -> None:
    network = small(pooling, BaselineConfig(trunk=trunk))
    batch = random_batch(2, 2, 2, (256, 128))  # half of the paper's T, for the tests' time: any can be asked for
    if isinstance(network.pooling, AttentionPooling):
        assert network.pooling.look.kernel_size == (8, 4)
    heads = network.training_heads(625)
    losses = network.losses(batch, heads)
    assert_every_gradient(losses, network, heads, vanishing=[SHIFT])
    assert min(losses.values()) > 0
    with torch.inference_mode():
        features = network.eval().features(batch.clips[:1])
    assert features.shape == (1, 512 if pooling == "rnn" else 2048)
