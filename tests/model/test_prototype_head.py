"""The prototype head against torch's own weight normalisation, and its promises."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from model.layers.prototype_head import PrototypeHead


def literal(head: PrototypeHead) -> nn.Linear:
    """The last layer as DINO writes it: linear, without bias, weight-normalised, the length fixed to 1."""
    prototypes, bottleneck = head.prototypes.shape
    last: nn.Linear = weight_norm(nn.Linear(bottleneck, prototypes, bias=False))
    last.load_state_dict(
        {
            "parametrizations.weight.original0": torch.ones(prototypes, 1),
            "parametrizations.weight.original1": head.prototypes.detach(),
        }
    )
    return last


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_equals_a_weight_normalised_layer(layers: int) -> None:
    torch.manual_seed(layers)
    head = PrototypeHead(6, 9, hidden=8, bottleneck=5, layers=layers)
    last = literal(head)
    x = torch.randn(2, 3, 6)
    weights = torch.randn(2, 3, 9)
    got = head(x)
    bottleneck = head.mlp(x)
    mean, deviation = bottleneck.mean(dim=(0, 1)), bottleneck.std(dim=(0, 1), correction=0)
    want = last(F.normalize((bottleneck - mean) / (deviation**2 + 1e-5).sqrt(), dim=-1))
    torch.testing.assert_close(got, want)
    (slope,) = torch.autograd.grad((got * weights).sum(), head.prototypes, retain_graph=True)
    direction = last.get_parameter("parametrizations.weight.original1")
    (expected,) = torch.autograd.grad((want * weights).sum(), direction)
    torch.testing.assert_close(slope, expected)


def test_has_the_layers_asked_for_and_a_gradient_in_each() -> None:
    head = PrototypeHead(6, 9, hidden=8, bottleneck=5, layers=3)
    shapes = [tuple(module.weight.shape) for module in head.mlp if isinstance(module, nn.Linear)]
    assert shapes == [(8, 6), (8, 8), (5, 8)]
    head(torch.randn(4, 6)).square().sum().backward()
    assert all(parameter.grad is not None and bool(parameter.grad.any()) for parameter in head.parameters())


def test_gives_cosines_in_float32_whatever_surrounds_it() -> None:
    head = PrototypeHead(6, 9, hidden=8, bottleneck=5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits: Tensor = head(torch.randn(4, 6))
    assert logits.dtype == torch.float32
    assert float(logits.detach().abs().max()) <= 1 + 1e-6


def test_the_length_of_a_prototype_does_not_count() -> None:
    head, x = PrototypeHead(6, 9, hidden=8, bottleneck=5), torch.randn(4, 6)
    before = head(x)
    with torch.no_grad():
        head.prototypes.mul_(torch.rand(9, 1) + 0.5)
    torch.testing.assert_close(head(x), before)


def test_a_new_head_tells_apart_features_that_share_most_of_what_they_are() -> None:
    torch.manual_seed(0)
    head = PrototypeHead(64, 32, hidden=64)
    features = torch.randn(64) + 0.1 * torch.randn(48, 64)
    alike = torch.corrcoef(head(features).detach())
    assert float(alike.fill_diagonal_(0).abs().mean()) < 0.5  # without standardising: 0.97


@pytest.mark.parametrize("rows", [0, 1])
def test_rows_without_company_say_nothing_and_harm_nothing(rows: int) -> None:
    head = PrototypeHead(6, 9, hidden=8, bottleneck=5)
    logits = head(torch.randn(rows, 6))
    assert logits.shape == (rows, 9)
    assert not bool(logits.any())
    logits.sum().backward()
    assert all(parameter.grad is not None and not bool(parameter.grad.any()) for parameter in head.mlp.parameters())
