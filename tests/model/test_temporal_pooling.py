"""The three aggregations against a literal reading, frame by frame."""

import math
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.layers.temporal_pooling import (
    AttentionPooling,
    AveragePooling,
    PoolingName,
    RecurrentPooling,
    TemporalPooling,
    make_pooling,
    usual_last_stride,
)
from tests.systems.learning import assert_every_gradient

CHANNELS, SIZE = 5, (4, 2)
NAMES: tuple[PoolingName, ...] = get_args(PoolingName)


def pooling(name: PoolingName, seed: int = 0) -> TemporalPooling:
    """All numbers drawn so large that weights and gates are far from even."""
    made = make_pooling(name, CHANNELS, SIZE).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(std=0.3, generator=generator)
    return made


def drawn(seed: int, batch: int, frames: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, frames, CHANNELS, *SIZE, generator=generator, dtype=torch.float64)


def frame_vector(frame: Tensor) -> Tensor:
    total = frame.new_zeros(CHANNELS)
    for y in range(SIZE[0]):
        for x in range(SIZE[1]):
            total = total + frame[:, y, x]
    return total / (SIZE[0] * SIZE[1])


def literal(made: TemporalPooling, clip: Tensor) -> Tensor:
    """One clip (T, C, h, w) -> (D,)."""
    vectors = [frame_vector(frame) for frame in clip]
    if isinstance(made, AttentionPooling):
        return literal_attention(made, clip, vectors)
    if isinstance(made, RecurrentPooling):
        vectors = literal_lstm(made.lstm, vectors)
    return torch.stack(vectors).sum(dim=0) / len(vectors)


def literal_attention(made: AttentionPooling, clip: Tensor, vectors: list[Tensor]) -> Tensor:
    assert made.look.bias is not None and made.score.bias is not None
    seen = []
    for frame in clip:
        numbers = [(made.look.weight[k] * frame).sum() + made.look.bias[k] for k in range(256)]
        seen.append(torch.stack(numbers).clamp(min=0))
    powers = []
    for t in range(len(clip)):
        score = made.score.bias[0]
        for k, near in enumerate((t - 1, t, t + 1)):
            if 0 <= near < len(clip):
                score = score + (made.score.weight[0, :, k] * seen[near]).sum()
        powers.append(math.exp(max(score.item(), 0)))
    total = vectors[0].new_zeros(CHANNELS)
    for power, vector in zip(powers, vectors, strict=True):
        total = total + power / sum(powers) * vector
    return total


def literal_lstm(lstm: torch.nn.LSTM, vectors: list[Tensor]) -> list[Tensor]:
    weights = dict(lstm.named_parameters())
    hidden = cell = vectors[0].new_zeros(512)
    outputs = []
    for vector in vectors:
        gates = weights["weight_ih_l0"] @ vector + weights["bias_ih_l0"]
        gates = gates + weights["weight_hh_l0"] @ hidden + weights["bias_hh_l0"]
        take, keep, new, show = gates.view(4, 512)
        cell = keep.sigmoid() * cell + take.sigmoid() * new.tanh()
        hidden = show.sigmoid() * cell.tanh()
        outputs.append(hidden)
    return outputs


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 2**16), frames=st.integers(1, 5))
@settings(max_examples=8, deadline=None)
def test_equals_the_literal_reading(name: PoolingName, seed: int, frames: int) -> None:
    made, clips = pooling(name, seed), drawn(seed, 2, frames)
    with torch.inference_mode():
        got, want = made(clips), torch.stack([literal(made, clip) for clip in clips])
    torch.testing.assert_close(got, want)
    assert got.shape == (2, made.dimension)


@pytest.mark.parametrize("name", ["average", "attention"])
def test_a_still_clip_has_its_frame_s_vector(name: PoolingName) -> None:
    frame = drawn(1, 2, 1)
    with torch.inference_mode():
        torch.testing.assert_close(pooling(name)(frame.expand(-1, 6, -1, -1, -1)), frame.mean(dim=(1, 3, 4)))


@pytest.mark.parametrize("name", NAMES)
def test_only_the_average_does_not_mind_the_order(name: PoolingName) -> None:
    made, clips = pooling(name), drawn(2, 2, 4)
    with torch.inference_mode():
        mixed = made(clips[:, [2, 0, 3, 1]])
        assert torch.allclose(mixed, made(clips)) == (name == "average")


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_and_every_frame_gets_a_gradient(name: PoolingName) -> None:
    made, clips = pooling(name), drawn(3, 2, 4).requires_grad_()
    if isinstance(made, AttentionPooling):
        torch.nn.init.ones_(made.score.bias)  # type: ignore[arg-type]
    # A shift of all scores changes no softmax: the last bias has none where all scores are above 0.
    assert_every_gradient({"all": made(clips).square().sum()}, made, vanishing=["score.bias"])
    assert clips.grad is not None and bool(clips.grad.flatten(2).any(dim=2).all())


@pytest.mark.parametrize("name", NAMES)
def test_gives_float32_under_autocast(name: PoolingName) -> None:
    made, clips = pooling(name).float(), drawn(4, 2, 4).float()
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        inside = made(clips.bfloat16())
    assert inside.dtype == torch.float32
    torch.testing.assert_close(inside, made(clips).detach(), rtol=0.05, atol=0.05)


def test_has_the_paper_s_sizes() -> None:
    attention = AttentionPooling(2048, (8, 4))
    assert attention.look.weight.shape == (256, 2048, 8, 4)
    assert attention.score.weight.shape == (1, 256, 3)
    assert [AveragePooling(2048).dimension, attention.dimension, RecurrentPooling(2048).dimension] == [2048, 2048, 512]
    assert [usual_last_stride(name, "resnet50") for name in NAMES] == [1, 2, 1]
    assert usual_last_stride("average", "inception_v3") == 2


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="use one of average, attention, rnn"):
        make_pooling("maximum", 5, SIZE)  # type: ignore[arg-type]
