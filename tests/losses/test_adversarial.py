"""The adversarial game against its formulas, logit by logit."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.losses.adversarial import discriminator_loss, generator_loss
from tests.losses.literal import assert_float32_under_autocast, assert_same, normal, seeded


def probability(logit: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-logit))


def literal_discriminator(real: Tensor, made: Tensor) -> Tensor:
    total = real.new_zeros(())
    for logit in real:
        total = total - torch.log(probability(logit)) / len(real)
    return total - literal_generator(made)


def literal_generator(made: Tensor) -> Tensor:
    total = made.new_zeros(())
    for logit in made:
        total = total + torch.log(1 - probability(logit)) / len(made)
    return total


@given(seed=st.integers(0, 2**16), real=st.integers(1, 5), made=st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_both_sides_equal_their_formulas(seed: int, real: int, made: int) -> None:
    g = seeded(seed)
    logits = [normal(g, real), normal(g, made)]
    assert_same(discriminator_loss, literal_discriminator, logits)
    assert_same(generator_loss, literal_generator, logits[1:])


def test_a_discriminator_that_cannot_tell_has_the_known_values() -> None:
    even = torch.zeros(4)
    assert discriminator_loss(even, even).item() == pytest.approx(2 * math.log(2))
    assert generator_loss(even).item() == pytest.approx(-math.log(2))


def test_is_finite_however_sure_the_discriminator_is() -> None:
    sure = torch.tensor([200.0, -200.0], requires_grad=True)
    loss = discriminator_loss(sure, sure) + generator_loss(sure)
    torch.autograd.backward(loss)
    assert loss.isfinite() and sure.grad is not None and sure.grad.isfinite().all()


def test_is_float32_under_autocast() -> None:
    g = seeded(1)
    assert_float32_under_autocast(discriminator_loss, [normal(g, 4), normal(g, 3)])
    assert_float32_under_autocast(generator_loss, [normal(g, 4)])
