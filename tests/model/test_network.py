"""Properties of the VILLS network that must hold with any weights, so the weights here are random and never zero."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.vills.network import Vills
from tests.model.small import SMALL, as_tensor, random_clips, small_network


def embed(network: Vills, clips: Tensor, mask: Tensor | None = None) -> Tensor:
    if mask is None:
        mask = torch.ones(clips.shape[:2], dtype=torch.bool)
    with torch.inference_mode():
        return network(clips, mask)  # type: ignore[no-any-return]


def assert_same(got: Tensor, want: Tensor) -> None:
    """Equal unit vectors of float32 numbers, but for the order of sums."""
    torch.testing.assert_close(got, want, rtol=0, atol=2e-6)


def without_adapters(network: Vills) -> Vills:
    bare = Vills(replace(SMALL, adapter_every=SMALL.depth + 1)).eval()
    kept = {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("adapters")}
    bare.load_state_dict(kept, strict=True)
    assert len(bare.adapters) == 0
    return bare


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 7, 9])
def test_any_number_of_frames_gives_a_finite_unit_vector(frames: int) -> None:
    embeddings = embed(small_network(), as_tensor(random_clips(3, frames)))
    assert embeddings.shape == (3, SMALL.dimension)
    assert embeddings.dtype == torch.float32
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(3))


@given(seed=st.integers(0, 2**16))
@settings(max_examples=10, deadline=None)
def test_an_image_is_embedded_as_if_there_were_no_adapters(seed: int) -> None:
    network, image = small_network(seed), as_tensor(random_clips(2, 1, seed))
    torch.testing.assert_close(embed(network, image), embed(without_adapters(network), image), rtol=0, atol=0)


@given(seed=st.integers(0, 2**16), copies=st.integers(2, 9))
@settings(max_examples=15, deadline=None)
def test_copies_of_one_frame_are_that_frame(seed: int, copies: int) -> None:
    network, image = small_network(seed), as_tensor(random_clips(2, 1, seed))
    still = image.expand(-1, copies, -1, -1, -1)
    assert_same(embed(network, still), embed(network, image))


@given(seed=st.integers(0, 2**16), frames=st.integers(1, 5), padding=st.integers(1, 4))
@settings(max_examples=15, deadline=None)
def test_padding_has_no_effect(seed: int, frames: int, padding: int) -> None:
    network, clips = small_network(seed), as_tensor(random_clips(2, frames + padding, seed))
    mask = torch.arange(frames + padding).expand(2, -1) < frames
    assert_same(embed(network, clips, mask), embed(network, clips[:, :frames]))


def test_a_hole_in_the_mask_closes() -> None:
    network, clips = small_network(), as_tensor(random_clips(1, 5))
    mask = torch.tensor([[True, False, True, True, False]])
    torch.testing.assert_close(embed(network, clips, mask), embed(network, clips[:, [0, 2, 3]]), rtol=0, atol=0)


def test_clips_of_a_batch_do_not_see_each_other() -> None:
    network, clips = small_network(), as_tensor(random_clips(4, 5))
    lengths = torch.tensor([5, 1, 3, 2])
    mask = torch.arange(5)[None] < lengths[:, None]
    together = embed(network, clips, mask)
    for clip, length in enumerate(lengths.tolist()):
        alone = embed(network, clips[clip : clip + 1, :length])
        assert_same(together[clip : clip + 1], alone)


def test_the_order_of_frames_matters() -> None:
    network, clips = small_network(), as_tensor(random_clips(2, 4))
    forwards, backwards = embed(network, clips), embed(network, clips.flip(1))
    assert (forwards - backwards).abs().max() > 1e-3


def test_without_adapters_the_order_would_not_matter() -> None:
    network, clips = without_adapters(small_network()), as_tensor(random_clips(2, 4))
    assert_same(embed(network, clips), embed(network, clips.flip(1)))


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh weights", "random weights"])
def test_every_parameter_gets_a_gradient(fresh: bool) -> None:
    network = (Vills(SMALL) if fresh else small_network()).train()
    embeddings = network(as_tensor(random_clips(4, 3)), torch.ones(4, 3, dtype=torch.bool))
    (embeddings * torch.randn(embeddings.shape, generator=torch.Generator().manual_seed(1))).sum().backward()
    trainable = {name: p for name, p in network.named_parameters() if p.requires_grad}
    assert set(dict(network.named_parameters())) - set(trainable) == {"neck.norm.bias"}
    still = [name for name, p in trainable.items() if p.grad is None or not p.grad.abs().max() > 0]
    assert still == []


@pytest.mark.parametrize(("height", "width"), [(32, 16), (16, 32), (24, 40)])
def test_positions_are_read_by_rows_and_columns(height: int, width: int) -> None:
    config = replace(SMALL, height=height, width=width)
    network = small_network(config=config)
    clips = as_tensor(random_clips(2, 2, config=config))
    assert network.config.grid == (height // 8, width // 8)
    assert embed(network, clips).shape == (2, SMALL.dimension)
    # A patch at the top right and one at the bottom left are different places.
    marked = torch.zeros(2, 1, 3, height, width, dtype=torch.uint8)
    marked[0, :, :, :8, -8:] = 255
    marked[1, :, :, -8:, :8] = 255
    top, bottom = embed(network, marked)
    assert (top - bottom).abs().max() > 1e-4


def test_part_attention_sums_to_one_and_parts_differ() -> None:
    network = small_network()
    tokens = torch.randn(2, 8, SMALL.channels, generator=torch.Generator().manual_seed(0))
    attention = network.parts.attention(tokens)
    torch.testing.assert_close(attention.sum(dim=-1), torch.ones(2, SMALL.parts))
    pooled = network.parts(tokens)
    literal = torch.stack(
        [
            torch.stack([sum(a * t for a, t in zip(weights, frame, strict=True)) for weights in part])
            for part, frame in zip(attention, tokens, strict=True)
        ]
    )
    torch.testing.assert_close(pooled, literal)
    assert (pooled[:, 0] - pooled[:, 1]).abs().max() > 1e-2


def test_uint8_and_float_pixels_are_the_same_and_stay_as_they_are() -> None:
    network, clips = small_network(), as_tensor(random_clips(2, 2))
    floats = clips.float()
    before = floats.clone()
    torch.testing.assert_close(embed(network, clips), embed(network, floats), rtol=0, atol=0)
    assert torch.equal(floats, before)


def test_normalisation_is_mean_and_std_of_the_configuration() -> None:
    network = Vills(replace(SMALL, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 0.2)))
    frames = torch.full((1, 3, 32, 16), 255, dtype=torch.uint8)
    got = network.normalise(frames)[0, :, 0, 0]
    torch.testing.assert_close(got, torch.tensor([(1 - 0.1) / 0.5, (1 - 0.2) / 0.25, (1 - 0.3) / 0.2]))
