"""The temporal adapter against a literal reading of its definition, frame by frame."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.layers.clip_layout import ClipLayout
from model.layers.temporal_adapter import TemporalAdapter
from model.vills.exportable import ClipOrder, added_by

CHANNELS, BOTTLENECK, TOKENS = 6, 5, 3


def random_adapter(seed: int, channels: int = CHANNELS, bottleneck: int = BOTTLENECK) -> TemporalAdapter:
    adapter = TemporalAdapter(channels, bottleneck)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.normal_(generator=generator)
    return adapter


def literal(adapter: TemporalAdapter, clip: Tensor) -> Tensor:
    """One clip without padding, (T, L, C): loops instead of tensors over time."""
    low = [adapter.down(F.layer_norm(frame, (CHANNELS,))) for frame in clip]
    mean = torch.stack(low).mean(dim=0)
    deviation = [frame - mean for frame in low]
    nothing = torch.zeros_like(mean)
    added = []
    for t in range(len(clip)):
        before = deviation[t - 1] if t > 0 else nothing
        after = deviation[t + 1] if t + 1 < len(clip) else nothing
        mixed = before * adapter.kernel[0] + deviation[t] * adapter.kernel[1] + after * adapter.kernel[2]
        added.append(adapter.up(F.gelu(mixed)))
    return torch.stack(added)


@given(seed=st.integers(0, 2**16), lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4))
@settings(max_examples=25, deadline=None)
def test_equals_the_literal_reading_for_clips_of_any_lengths(seed: int, lengths: list[int]) -> None:
    adapter = random_adapter(seed)
    generator = torch.Generator().manual_seed(seed)
    clips = [torch.randn(length, TOKENS, CHANNELS, generator=generator) for length in lengths]
    mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    with torch.inference_mode():
        got = adapter(torch.cat(clips), ClipLayout(mask))
        want = torch.cat([literal(adapter, clip) for clip in clips])
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)


# Channels, bottleneck and tokens: small ones, and those of the networks that come with the product.
@pytest.mark.parametrize(("channels", "bottleneck", "n_tokens"), [(6, 5, 3), (192, 64, 33), (384, 96, 129)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_adds_exactly_nothing_to_copies_of_one_frame(
    channels: int, bottleneck: int, n_tokens: int, dtype: torch.dtype
) -> None:
    """Of equal frames nothing is left, not even a rounding error, whatever else is in the batch; nor exported."""
    whole, adapter = (random_adapter(3, channels, bottleneck).to(kind) for kind in (torch.float32, dtype))
    generator = torch.Generator().manual_seed(1)
    moving = torch.randn(9, n_tokens, channels, generator=generator).to(dtype)
    for copies in range(1, 10):
        still = torch.randn(1, n_tokens, channels, generator=generator).to(dtype).expand(copies, -1, -1)
        mask = torch.arange(9)[None] < torch.tensor([copies, 9])[:, None]
        with torch.inference_mode():
            in_batch, beside = adapter(torch.cat((still, moving)), ClipLayout(mask)).split([copies, 9])
            alone = adapter(still, ClipLayout(mask[:1, :copies]))
            in_graph = added_by(whole, still.float(), ClipOrder(mask[:1, :copies]))
        for added in (in_batch, alone, in_graph):
            assert torch.equal(added, torch.zeros_like(added)), copies
        assert beside.abs().amax() > 0.1


def test_a_fresh_adapter_may_begin_with_a_say_of_its_own() -> None:
    """As drawn, a clip's sum of what is added is next to nothing beside what one frame gets; amplified, it is not."""
    torch.manual_seed(0)
    adapter, layout = TemporalAdapter(96, 64), ClipLayout(torch.ones(1, 16, dtype=torch.bool))
    tokens = torch.randn(16, TOKENS, 96)
    drawn = adapter(tokens, layout)
    adapter.amplify(8)
    begun = adapter(tokens, layout)
    assert drawn.std() < 0.05 and 0.3 < begun.std() < 3
    kept = [float((added.mean(dim=0).norm() / added.norm()).detach()) for added in (drawn, begun)]
    assert kept[0] < 0.1 and kept[1] > 1.5 * kept[0]


def test_has_no_bias() -> None:
    assert all("bias" not in name for name, _ in TemporalAdapter(CHANNELS, BOTTLENECK).named_parameters())


def test_layout_packs_and_unpacks() -> None:
    mask = torch.tensor([[True, True, False], [False, True, False], [True, True, True]])
    frames = torch.arange(9.0).view(3, 3, 1)
    layout = ClipLayout(mask)
    packed = layout.pack(frames)
    assert packed.flatten().tolist() == [0, 1, 4, 6, 7, 8]
    unpacked = layout.unpack(packed)
    assert unpacked[..., 0].tolist() == [[0, 1, 0], [4, 0, 0], [6, 7, 8]]
    assert torch.equal(layout.repack(unpacked), packed)
    assert layout.mean(packed).flatten().tolist() == [0.5, 4, 7]
    assert not layout.is_still
    assert ClipLayout(mask[1:2]).is_still
