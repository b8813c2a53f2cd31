"""COSAM against a literal reading of its correlation, mask and channel weights, and as a whole."""

from dataclasses import replace
from typing import Any, get_args

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from model.layers.frame_trunk import TrunkName
from model.layers.temporal_pooling import AttentionPooling, PoolingName
from model.systems.baseline import Baseline, BaselineConfig
from model.systems.cosam import Cosam, CosamConfig, CosegmentationAttention, cost_volume
from tests.systems.clip_batches import enliven, random_batch
from tests.systems.learning import assert_every_gradient, settle

SMALL = CosamConfig(trunk="mobilenetv2", height=64, width=32)
NAMES: tuple[PoolingName, ...] = get_args(PoolingName)
# Batch norm takes the mean off, so a bias before it has no gradient; of scores' common shift see the baselines' test.
SHIFTS = ["reduce.0.bias", "summary.0.bias", "score.bias"]
SIZE = (3, 2)


def small(config: CosamConfig = SMALL, **changes: Any) -> Cosam:
    torch.manual_seed(0)
    network = Cosam(replace(config, **changes))
    enliven(network)
    if isinstance(network.pooling, AttentionPooling):
        nn.init.ones_(network.pooling.score.bias)  # type: ignore[arg-type]
    return network


def still(**changes: Any) -> Cosam:
    """For inference."""
    return settle(small(**changes), torch.randn(2, 4, 3, 64, 32))


def module(channels: int = 6, frames: int = 3, **changes: Any) -> CosegmentationAttention:
    """In inference mode, float64, every parameter and statistic drawn."""
    config = CosamConfig(frames=frames, reduced=5, reduced_narrow=5, **changes)
    made = CosegmentationAttention(channels, SIZE, config).double().eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in made.state_dict().values():
            if value.is_floating_point():  # variances are above 0
                value.uniform_(0.2, 1, generator=generator)
            if value.ndim > 1:
                value.mul_(3).sub_(1.8)
    return made


def maps(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def likeness(p: Tensor, q: Tensor) -> Tensor:
    """NCC of two places, channel by channel."""
    length = len(p)
    mean_p, mean_q = sum(p) / length, sum(q) / length
    sigma_p = torch.sqrt(sum((each - mean_p) ** 2 for each in p) / length) + 1e-4
    sigma_q = torch.sqrt(sum((each - mean_q) ** 2 for each in q) / length) + 1e-4
    total = p.new_zeros(())
    for k in range(length):
        total = total + (p[k] - mean_p) * (q[k] - mean_q) / (sigma_p * sigma_q)
    return total / length


def literal_volume(clip: Tensor) -> Tensor:
    """(N, K, h, w) -> (N, (N - 1) * h * w, h, w)."""
    n_frames, _, height, width = clip.shape
    volume = clip.new_zeros(n_frames, (n_frames - 1) * height * width, height, width)
    for n in range(n_frames):
        for y in range(height):
            for x in range(width):
                channel = 0
                for m in range(n_frames):
                    for row in range(height if m != n else 0):
                        for column in range(width):
                            volume[n, channel, y, x] = likeness(clip[n, :, y, x], clip[m, :, row, column])
                            channel += 1
    return volume


def literal_module(made: CosegmentationAttention, clip: Tensor) -> Tensor:
    """One clip (N, C, h, w), frame by frame."""
    volume = literal_volume(made.reduce(clip))
    masked, weights = [], []
    for n in range(len(clip)):
        mask = made.summary(volume[n : n + 1])[0, 0]  # (h, w)
        masked.append(torch.stack([channel * mask for channel in clip[n]]))
        pooled = torch.stack([channel.sum() / channel.numel() for channel in masked[n]])
        enter, leave = made.weigh[0], made.weigh[2]
        inner = torch.tanh(enter.weight @ pooled + enter.bias)  # type: ignore[operator]
        weights.append(1 / (1 + torch.exp(-(leave.weight @ inner + leave.bias))))  # type: ignore[operator]
    shared = torch.stack(weights).sum(dim=0) / len(clip)
    extra = 1 if made.residual else 0
    return torch.stack([torch.stack([x * (extra + a) for x, a in zip(f, shared, strict=True)]) for f in masked])


@given(seed=st.integers(0, 2**16), frames=st.integers(2, 4), channels=st.integers(2, 5))
@settings(max_examples=6, deadline=None)
def test_the_correlation_equals_its_formula(seed: int, frames: int, channels: int) -> None:
    clips = maps(seed, 2, frames, channels, 2, 1)
    torch.testing.assert_close(cost_volume(clips), torch.stack([literal_volume(clip) for clip in clips]))


def test_the_correlation_sees_neither_contrast_nor_brightness_and_is_1_for_the_same() -> None:
    still = maps(0, 1, 1, 8, *SIZE).expand(-1, 3, -1, -1, -1)
    volume = cost_volume(still)  # (1, 3, 2 * 6, 3, 2)
    assert volume.abs().max() <= 1
    places = volume.view(3, 2, 6, 6)
    torch.testing.assert_close(places.diagonal(dim1=2, dim2=3), torch.ones(3, 2, 6).double(), rtol=0, atol=1e-3)
    changed = still * torch.tensor([1.0, 5.0, 0.3])[:, None, None, None] + torch.arange(3.0)[:, None, None, None]
    torch.testing.assert_close(cost_volume(changed), volume, rtol=0, atol=1e-2)


def test_places_without_contrast_are_like_nothing_and_keep_finite_gradients() -> None:
    clips = torch.ones(1, 3, 4, *SIZE, requires_grad=True)
    volume = cost_volume(clips)
    assert not volume.any()
    (slope,) = torch.autograd.grad(volume.sum(), clips)
    assert bool(slope.isfinite().all())


def test_the_correlation_is_float32_under_autocast() -> None:
    clips = maps(1, 1, 3, 64, *SIZE).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = cost_volume(clips)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, cost_volume(clips.float()))


@pytest.mark.parametrize("summary_layers", [1, 2])
@pytest.mark.parametrize("channel", ["residual", "plain"])
def test_the_module_equals_the_literal_reading(summary_layers: int, channel: str) -> None:
    made, clips = module(summary_layers=summary_layers, channel=channel), maps(2, 2, 3, 6, *SIZE)
    with torch.inference_mode():
        torch.testing.assert_close(made(clips), torch.stack([literal_module(made, clip) for clip in clips]))


def test_the_two_forms_of_channel_weights_differ_by_the_masked_maps() -> None:
    residual, plain = module(channel="residual"), module(channel="plain")
    clips = maps(3, 1, 3, 6, *SIZE)
    with torch.inference_mode():
        mask = residual.summary(cost_volume(residual.reduce(clips[0])[None])[0])
        torch.testing.assert_close(residual(clips) - plain(clips), clips * mask)
        assert bool((plain(clips).abs() <= clips.abs()).all())


def test_two_frames_may_change_places_and_more_may_not() -> None:
    """A frame's channels stand for the others in their order; one other has no order."""
    with torch.inference_mode():
        pair, few = maps(4, 1, 2, 6, *SIZE), maps(4, 1, 3, 6, *SIZE)
        torch.testing.assert_close(module(frames=2)(pair.flip(1)), module(frames=2)(pair).flip(1))
        assert (module()(few.flip(1)) - module()(few).flip(1)).abs().max() > 1e-4


def test_a_still_clip_keeps_equal_frames() -> None:
    with torch.inference_mode():
        out = module()(maps(5, 2, 1, 6, *SIZE).expand(-1, 3, -1, -1, -1))
    torch.testing.assert_close(out, out[:, :1].expand_as(out))


def test_narrow_blocks_are_reduced_further_by_the_code_and_not_by_the_paper() -> None:
    def reduced(channels: int, config: CosamConfig) -> int:
        return CosegmentationAttention(channels, SIZE, config).reduce[0].out_channels  # type: ignore[return-value]

    paper = CosamConfig(reduced_narrow=256)
    assert [reduced(each, CosamConfig()) for each in (256, 257, 1024)] == [64, 256, 256]
    assert [reduced(each, paper) for each in (256, 257, 1024)] == [256, 256, 256]


@pytest.mark.parametrize("trunk", get_args(TrunkName))
def test_any_trunk_serves(trunk: TrunkName) -> None:
    size = (139, 139) if trunk == "inception_v3" else (64, 32)
    network = small(trunk=trunk, height=size[0], width=size[1], frames=2).eval()
    with torch.inference_mode():
        assert network.features(torch.randn(1, 2, 3, *size)).shape == (1, network.trunk.channels[-1])


@pytest.mark.parametrize("pooling", NAMES)
def test_modules_may_follow_every_block(pooling: PoolingName) -> None:
    network, batch = small(after=(1, 2, 3, 4, 5), pooling=pooling), random_batch(2, 2, 4, (64, 32))
    heads = network.training_heads(3)
    losses = network.losses(batch, heads)
    assert set(losses) == {"identity", "triplet"}
    assert_every_gradient(losses, network, heads, vanishing=SHIFTS)


@pytest.mark.parametrize("changes", [{"summary_layers": 1, "channel": "plain"}, {"after": (3,)}, {"last_stride": 2}])
def test_every_parameter_gets_a_gradient_in_other_forms(changes: dict[str, Any]) -> None:
    network, batch = small(**changes), random_batch(2, 2, 4, (64, 32))
    # One layer has no batch norm after it, and a bias with a gradient like any other.
    vanishing = SHIFTS[:1] if network.config.summary_layers == 1 else SHIFTS
    heads = network.training_heads(2)
    assert_every_gradient(network.losses(batch, heads), network, heads, vanishing=vanishing)


@pytest.mark.parametrize("pooling", NAMES)
def test_without_modules_it_is_the_baseline(pooling: PoolingName) -> None:
    network = still(after=(), pooling=pooling)
    baseline = Baseline(BaselineConfig(trunk="mobilenetv2", pooling=pooling, height=64, width=32)).eval()
    baseline.load_state_dict(network.state_dict())
    clips = torch.randn(2, 4, 3, 64, 32)
    with torch.inference_mode():
        assert torch.equal(network.features(clips), baseline.features(clips))


def test_the_order_of_frames_matters_even_with_average_pooling() -> None:
    network, clips = still(), torch.randn(1, 4, 3, 64, 32)
    with torch.inference_mode():
        assert (network.features(clips) - network.features(clips.flip(1))).abs().max() > 1e-4


def test_the_losses_are_the_baseline_s() -> None:
    network, batch = still(margin=0.7, smoothing=0.2, triplet_weight=3.0), random_batch(2, 2, 4, (64, 32))
    heads = network.training_heads(5)
    with torch.inference_mode():
        losses, features = network.losses(batch, heads), network.features(batch.clips)
        apart = torch.cdist(features, features)
        same, other = apart[[0, 1, 2, 3], [1, 0, 3, 2]], torch.stack([*apart[:2, 2:].amin(1), *apart[2:, :2].amin(1)])
        torch.testing.assert_close(losses["triplet"], 3 * (0.7 + same - other).clamp(min=0).mean())
        cross_entropy = F.cross_entropy(heads(features), batch.person, label_smoothing=0.2)
    torch.testing.assert_close(losses["identity"], cross_entropy)


def test_half_precision_changes_little() -> None:
    """Of COSAM's own part: fifty thin layers of an untrained MobileNet change more by themselves."""
    network, clips = still(trunk="resnet18"), torch.randn(2, 4, 3, 64, 32)
    with torch.inference_mode():
        whole = network.features(clips)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = network.features(clips)
    assert half.dtype == torch.float32
    assert bool((F.cosine_similarity(whole, half) > 0.999).all())


@pytest.mark.parametrize("frames", [1, 3, 5])
def test_another_number_of_frames_is_refused(frames: int) -> None:
    with pytest.raises(ValueError, match=f"exactly 4 frames and was given {frames}: cut .* repeat"):
        small().features(torch.zeros(1, frames, 3, 64, 32))


def test_frames_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"64, 32\)"):
        small().features(torch.zeros(1, 4, 3, 32, 64))


@pytest.mark.parametrize("after", [(0,), (6,), (4, 4)])
def test_modules_elsewhere_are_refused(after: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="blocks 1 to 5"):
        CosamConfig(after=after)


def test_one_frame_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="at least 2, not 1"):
        CosamConfig(frames=1)


@pytest.mark.parametrize(("pooling", "dimension", "last"), [("average", 2048, 384), ("attention", 2048, 96)])
def test_has_the_paper_s_sizes(pooling: PoolingName, dimension: int, last: int) -> None:
    """Cost volumes of 3 * 16 * 8 channels, and of 3 * 8 * 4 where the last stage keeps its stride."""
    network = Cosam(CosamConfig(pooling=pooling))
    assert (network.frames, network.fixed, network.dimension) == (4, True, dimension)
    weights = network.state_dict()
    assert [weights[f"attention.{n}.summary.0.weight"].shape for n in (4, 5)] == [(64, 384, 1, 1), (64, last, 1, 1)]
    assert [weights[f"attention.{n}.reduce.0.weight"].shape[:2] for n in (4, 5)] == [(256, 1024), (256, 2048)]
    assert [weights[f"attention.{n}.weigh.0.weight"].shape for n in (4, 5)] == [(256, 1024), (256, 2048)]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("trunk", "changes"),
    [
        *(("resnet50", {"pooling": name}) for name in NAMES),
        ("legacy_seresnet50", {}),  # `cosam-se`
        ("resnet50", {"channel": "plain", "summary_layers": 1}),  # `cosam-paper`
    ],
)
def test_learns_at_the_paper_s_size(trunk: TrunkName, changes: dict[str, Any]) -> None:
    network, batch = small(CosamConfig(trunk=trunk), **changes), random_batch(2, 2, 4, (256, 128))
    vanishing = SHIFTS[:1] if network.config.summary_layers == 1 else SHIFTS
    heads = network.training_heads(625)
    losses = network.losses(batch, heads)
    assert_every_gradient(losses, network, heads, vanishing=vanishing)
    assert min(losses.values()) > 0
    with torch.inference_mode():
        features = network.eval().features(batch.clips[:1])
    assert features.shape == (1, 512 if network.config.pooling == "rnn" else 2048)
