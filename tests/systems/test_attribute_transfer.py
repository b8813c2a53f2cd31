"""Attribute transfer: labels of one data set, pictures of two."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from model.losses.mmd import mmd
from model.losses.weighted_bce import weighted_bce
from model.systems.attribute_transfer import AttributeTransfer, AttributeTransferConfig
from tests.systems.learning import assert_every_gradient, wake

RATIO = torch.tensor([0.1, 0.5, 0.8])
SMALL = AttributeTransferConfig(trunk="resnet18", attributes=3, feature=8)


def network(config: AttributeTransferConfig = SMALL) -> AttributeTransfer:
    torch.manual_seed(0)
    net = AttributeTransfer(config, RATIO)
    wake(net)
    return net


def pictures(count: int, seed: int = 1) -> Tensor:
    return torch.randn(count, 3, 64, 32, generator=torch.Generator().manual_seed(seed))


LABELS = torch.tensor([[0, 1, 1], [1, 0, 1], [0, 0, 1]])


@pytest.mark.parametrize("autocast", [False, True])
def test_every_parameter_gets_a_gradient(autocast: bool) -> None:
    net = network()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        terms = net.losses(pictures(3), LABELS, pictures(4, seed=2))
    assert {term.dtype for term in terms.values()} == {torch.float32}
    assert_every_gradient(terms, net)


@pytest.mark.parametrize("unit", [False, True])
def test_losses_are_of_the_labelled_pictures_and_of_both_sets(unit: bool) -> None:
    net = network(replace(SMALL, unit=unit, mmd_weight=2.0)).eval()
    source, target = pictures(3), pictures(4, seed=2)
    terms = net.losses(source, LABELS, target)
    (s, logits), (t, _) = net(source), net(target)
    torch.testing.assert_close(terms["attributes"], weighted_bce(logits, LABELS, RATIO, sigma=0.5))
    if unit:
        s, t = (each / each.norm(dim=1, keepdim=True) for each in (s, t))
    torch.testing.assert_close(terms["mmd"], 2 * mmd(s, t, alpha=0.5), rtol=1e-4, atol=1e-6)


def test_the_other_set_teaches_the_feature_only() -> None:
    net = network()
    terms = net.losses(pictures(3), LABELS, pictures(4, seed=2))
    grown = torch.autograd.grad(terms["mmd"], [*net.parameters()], allow_unused=True)
    untouched = [name for (name, _), one in zip(net.named_parameters(), grown, strict=True) if one is None]
    assert untouched == ["predictor.weight", "predictor.bias"]


def test_features_some_units_apart_have_a_discrepancy_only_as_unit_vectors() -> None:
    """Why `unit` is the default: the paper's alpha of 0.5 is no length for features that may be of any."""
    gradients = []
    for unit in (False, True):
        net = network(replace(SMALL, unit=unit)).eval()
        with torch.no_grad():
            net.feature.weight.mul_(1e4)
        terms = net.losses(pictures(3), LABELS, pictures(4, seed=2))
        gradients.append(torch.autograd.grad(terms["mmd"], net.feature.weight)[0])
    assert not gradients[0].any() and gradients[1].any()


def test_labels_are_the_mean_over_all_frames_of_a_person() -> None:
    net, frames = network(), pictures(7)
    with torch.no_grad():  # drawn as they are, all would be told the same
        logits = net.eval()(frames)[1]
        net.predictor.weight.mul_(1000)
        net.predictor.bias.copy_(1000 * (net.predictor.bias - logits.mean(dim=0)))
    net.train()
    person = torch.tensor([0, 2, 1, 0, 0, 2, 1])

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        yield frames[:4], person[:4]
        yield frames[4:], person[4:]

    got = net.labels(batches(), 3)
    assert net.training
    with torch.no_grad():
        p = net.eval()(frames)[1].sigmoid()
    for n in range(3):
        for i in range(3):
            told = [p[f, i].item() for f in range(7) if person[f] == n]
            assert got[n, i].item() == (1 if sum(told) / len(told) > 0.5 else 0)
    assert got.shape == (3, 3) and 0 < got.sum() < 9


def test_refuses_persons_without_frames_and_other_attributes() -> None:
    net = network()
    with pytest.raises(ValueError, match=r"persons \[1, 2\] have none"):
        net.labels([(pictures(2), torch.tensor([0, 0]))], 3)
    with pytest.raises(ValueError, match=r"\(4,\), got \(3,\): set attributes"):
        AttributeTransfer(replace(SMALL, attributes=4), RATIO)
    with pytest.raises(ValueError, match="alpha is above 0"):
        AttributeTransferConfig(alpha=0)


def test_the_paper_s_size() -> None:
    config = AttributeTransferConfig()
    assert (config.attributes, config.alpha) == (68, 0.5)
    net = AttributeTransfer(config, torch.full((68,), 0.3))
    wake(net)
    g = torch.Generator().manual_seed(3)
    both = torch.randn(4, 3, config.height, config.width, generator=g)
    terms = net.losses(both[:2], torch.randint(0, 2, (2, 68), generator=g), both[2:])
    assert_every_gradient(terms, net)
