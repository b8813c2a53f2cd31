"""Attribute-driven aggregation: who is sure of a part of a person has the say over it."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from model.data.augment import AugmentPlan, augment
from model.layers.resampling import enlarged_middle
from model.systems.attributes import WALKER_GROUPS, Attributes, AttributesConfig, frame_weights
from model.systems.config import system_config
from model.systems.encoder import drawn_system
from model.systems.system import Batch
from model.training.config_files import checked, read_config
from model.training.system_config import FOLDER, SystemRun
from service.demo.people import CLOTH, HAIR, SHOES, SKIN, Bag, Hair, Lower, Pattern, Upper
from tests.systems.learning import assert_every_gradient, wake

GROUPS = (("head", 2), ("shoes", 3))
SMALL = AttributesConfig(trunk="resnet18", height=64, width=32, groups=GROUPS, segment=6)


def system(config: AttributesConfig = SMALL) -> Attributes:
    torch.manual_seed(0)
    net = Attributes(config)
    wake(net)
    return net


def batch(clips: int = 4, frames: int = 3, attributes: int | None = 5) -> Batch:
    g = torch.Generator().manual_seed(1)
    pictures, number = torch.randn(clips, frames, 3, 64, 32, generator=g), torch.arange(clips)
    labels = None if attributes is None else torch.randint(0, 2, (clips, attributes), generator=g)
    return Batch(pictures, number // 2, number, number % 2, labels)


def literal_weights(logits: Tensor, sigma: float) -> list[list[float]]:
    """Equations 2 and 3, clip by clip, frame by frame, attribute by attribute."""
    weights = []
    for clip in logits.tolist():
        confidence = []
        for frame in clip:
            entropy = 0.0
            for logit in frame:
                p = 1 / (1 + math.exp(-logit))
                entropy += p * math.log(p) / len(frame)
            confidence.append(math.exp(entropy / sigma**2))
        weights.append([each / sum(confidence) for each in confidence])
    return weights


@pytest.mark.parametrize("sigma", [0.3, 0.5, 0.9, 1.2])
def test_weights_equal_their_formula(sigma: float) -> None:
    logits = 3 * torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(frame_weights(logits, sigma), torch.tensor(literal_weights(logits, sigma)))


def test_the_least_sigma_leaves_every_frame_a_confidence() -> None:
    doubt = torch.full((1, 3, 2), math.log(1 / (math.e - 1)))  # p = 1 / e, the lowest entropy
    torch.testing.assert_close(frame_weights(doubt, 0.07), torch.full((1, 3), 1 / 3))


def test_who_is_sure_counts_for_more_whatever_the_answer() -> None:
    doubt = math.log(1 / (math.e - 1))  # p = 1 / e
    weights = frame_weights(torch.tensor([[[200.0], [-200.0], [doubt]]]), 0.5)[0]
    assert weights[0] == weights[1]
    # As printed, nothing is weighted more than e^(4 / e) times as much as anything else.
    assert (weights[0] / weights[2]).item() == pytest.approx(math.exp(4 / math.e))


def test_features_equal_the_paper_s_sums_segment_by_segment() -> None:
    net, clips = system().eval(), batch(2).clips
    with torch.no_grad():
        for predictor in net.predictors:  # drawn so small that all frames would weigh nearly the same
            predictor.weight.mul_(30)  # type: ignore[operator]
        fc1 = net.fc1(net.trunk(clips.flatten(0, 1)).mean(dim=(2, 3))).view(2, 3, 18)
        got = net.features(clips)
        logits = [predictor(fc1[:, :, 6 * n : 6 * n + 6]) for n, predictor in enumerate(net.predictors)]
    weights = [*(literal_weights(each, 0.5) for each in logits), [[1 / 3] * 3] * 2]
    for b in range(2):
        for d in range(18):
            want = sum(weights[d // 6][b][t] * fc1[b, t, d].item() for t in range(3))
            assert got[b, d].item() == pytest.approx(want, abs=1e-5)
    assert max(weights[0][0]) > 0.35  # they do differ


@pytest.mark.parametrize("trunk", ["resnet18", "mobilenetv2"])
@pytest.mark.parametrize("frames", [1, 2, 5])
def test_takes_clips_of_any_length_in_any_order(trunk: str, frames: int) -> None:
    net = system(replace(SMALL, trunk=trunk)).eval()  # type: ignore[arg-type]
    clips = batch(2, frames).clips
    with torch.inference_mode():
        features = net.features(clips)
        torch.testing.assert_close(features, net.features(clips.flip(1)), rtol=1e-4, atol=1e-5)
    assert features.shape == (2, net.dimension) == (2, 18)
    assert features.dtype == torch.float32 and not net.fixed


def test_copies_of_an_image_are_the_image() -> None:
    net, clips = system().eval(), batch(2, 1).clips
    with torch.inference_mode():
        torch.testing.assert_close(net.features(clips.repeat(1, 4, 1, 1, 1)), net.features(clips), rtol=1e-4, atol=1e-5)


def test_with_an_infinite_sigma_a_feature_is_the_plain_mean() -> None:
    net, clips = system(replace(SMALL, sigma=math.inf)).eval(), batch(2).clips
    with torch.inference_mode():
        one_by_one = [net.features(clips[:, t : t + 1]) for t in range(3)]
        torch.testing.assert_close(net.features(clips), torch.stack(one_by_one).mean(dim=0), rtol=1e-4, atol=1e-5)


def test_the_weights_are_constants() -> None:
    net = system()
    grown = torch.autograd.grad(net.features(batch().clips).sum(), [*net.predictors.parameters()], allow_unused=True)
    assert len(grown) == 4 and all(one is None for one in grown)


@pytest.mark.parametrize("autocast", [False, True])
def test_every_parameter_gets_a_gradient(autocast: bool) -> None:
    net = system()
    heads = net.training_heads(2)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        terms = net.losses(batch(), heads)
    assert {term.dtype for term in terms.values()} == {torch.float32}
    assert_every_gradient(terms, net, heads)


def test_losses_equal_their_formulas() -> None:
    net, shown = system(replace(SMALL, attribute_weight=0.5)).eval(), batch()
    heads = net.training_heads(2)
    terms = net.losses(shown, heads)
    features = net.features(shown.clips)
    log_p = heads(features).log_softmax(dim=1)
    identity = -sum(log_p[b, int(shown.person[b])] for b in range(4)) / 4
    torch.testing.assert_close(terms["identity"], identity)
    assert shown.attributes is not None
    p = [net.predictors[0](features[:, :6]).sigmoid(), net.predictors[1](features[:, 6:12]).sigmoid()]
    total = torch.zeros(())
    for known, chance in zip((shown.attributes[:, :2], shown.attributes[:, 2:]), p, strict=True):
        for b in range(4):
            for i in range(known.shape[1]):
                right = chance[b, i] if known[b, i] else 1 - chance[b, i]
                total = total - torch.log(right) / known.numel()
    torch.testing.assert_close(terms["attributes"], 0.5 * total)


def test_without_labels_the_attributes_loss_is_left_out() -> None:
    net, heads = system().eval(), nn.Linear(18, 2)
    assert [*net.losses(batch(attributes=None), heads)] == ["identity"]
    alone, both = net.losses(batch(attributes=None), heads), net.losses(batch(), heads)
    assert [*both] == ["identity", "attributes"]
    torch.testing.assert_close(alone["identity"], both["identity"])


@pytest.mark.parametrize("shape", [(1, 2, 3, 32, 64), (1, 0, 3, 64, 32), (2, 3, 64, 32)])
def test_other_clips_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"64, 32\) of one frame or more"):
        system().features(torch.zeros(shape))


def test_refuses_labels_of_other_attributes() -> None:
    net = system()
    with pytest.raises(ValueError, match="5 together, and this one has 4: set groups"):
        net.losses(batch(attributes=4), net.training_heads(2))


def test_refuses_groups_that_are_none() -> None:
    with pytest.raises(ValueError, match="there is at least one"):
        AttributesConfig(groups=())
    with pytest.raises(ValueError, match="a name each"):
        AttributesConfig(groups=(("head", 1), ("head", 2)))
    with pytest.raises(ValueError, match="leave 'head' out, which has 0"):
        AttributesConfig(groups=(("head", 0),))
    for sigma in (0.0, 0.069, math.nan):
        with pytest.raises(ValueError, match=rf"sigma is 0\.07 or more, .* and is {sigma}: use 0\.5"):
            AttributesConfig(sigma=sigma)


def test_the_walkers_groups_have_an_attribute_for_each_value_of_their_columns() -> None:
    sizes = {
        "build": 2,
        "head_shoulder": len(Hair) + len(HAIR) + len(SKIN),
        "upper_body": len(Upper) + len(Pattern) + 2 * len(CLOTH),
        "lower_body": len(Lower) + len(CLOTH),
        "shoes": len(SHOES),
        "attachments": len(Bag) + len(CLOTH),
    }
    assert dict(WALKER_GROUPS) == sizes
    assert len(WALKER_GROUPS) == 6  # the paper's number of groups


def test_the_paper_s_size() -> None:
    config = AttributesConfig()
    assert (config.height, config.width, config.frames, config.sigma) == (256, 128, 8, 0.5)
    net = system(config)
    heads = net.training_heads(625)
    attributes = sum(size for _, size in config.groups)
    assert net.dimension == 7 * config.segment
    # One layer fc1 on ResNet-50's 2048 numbers, and one layer a group on its segment.
    assert sum(p.numel() for p in net.fc1.parameters()) == (2048 + 1) * net.dimension
    assert sum(p.numel() for p in net.predictors.parameters()) == (config.segment + 1) * attributes
    g = torch.Generator().manual_seed(3)
    clips = torch.randn(1, config.frames, 3, config.height, config.width, generator=g)
    one = torch.zeros(1, dtype=torch.int64)
    terms = net.losses(Batch(clips, one, one, one, torch.randint(0, 2, (1, attributes), generator=g)), heads)
    assert_every_gradient(terms, net, heads)
    with torch.inference_mode():
        assert net.eval().features(clips).shape == (1, 896)


def test_people_are_as_large_in_retrieval_as_in_training() -> None:
    """The crop at the centre is a training crop that was not moved; without it nobody asked for is as large."""
    settings = {"trunk": "mobilenetv2", "height": 64, "width": 32, "segment": 8}
    network = drawn_system(system_config("attributes", settings)).eval()
    clips = torch.randint(0, 256, (2, 3, 3, 64, 32), dtype=torch.uint8)
    frames = clips.flatten(0, 1).float()
    run = checked(SystemRun, read_config("attributes", {"augment.flip": 0.0, "augment.shift": 0.0}, folder=FOLDER), "")
    plan, clip = AugmentPlan(**run.augment.model_dump()), torch.arange(2).repeat_interleave(3)
    learnt = augment(frames, clip, plan, torch.Generator()).frames
    middle = enlarged_middle(frames, AttributesConfig().middle)
    torch.testing.assert_close(middle, learnt, rtol=0, atol=2.0)  # of 255: 8 / 9 is 0.889 in the file
    with torch.inference_mode():
        found = network.features(clips, torch.ones(2, 3, dtype=torch.bool))
        same, whole = (network.system.features(network.normalise(each).view(clips.shape)) for each in (middle, frames))
    assert (found - whole).abs().max() > 100 * (found - same).abs().max()


def test_the_middle_of_a_frame_is_what_lies_there() -> None:
    frames = torch.zeros(1, 3, 8, 4)
    frames[..., 2:6, 1:3] = 1.0
    assert torch.equal(enlarged_middle(frames, 1.0), frames)
    assert enlarged_middle(frames, 0.25).eq(1).all()
