"""The temporal adapter against a literal reading of its definition, frame by frame."""

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.layers.clip_layout import ClipLayout
from model.layers.temporal_adapter import TemporalAdapter

CHANNELS, BOTTLENECK, TOKENS = 6, 5, 3


def random_adapter(seed: int) -> TemporalAdapter:
    adapter = TemporalAdapter(CHANNELS, BOTTLENECK)
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


@given(seed=st.integers(0, 2**16), copies=st.integers(1, 9))
@settings(max_examples=25, deadline=None)
def test_adds_exactly_nothing_to_copies_of_one_frame(seed: int, copies: int) -> None:
    adapter = random_adapter(seed)
    low = torch.randn(1, 1, TOKENS, BOTTLENECK, generator=torch.Generator().manual_seed(seed))
    layout = ClipLayout(torch.ones(1, copies, dtype=torch.bool))
    # Of equal frames nothing is left, not even a rounding error; and every later step maps 0 to 0.
    deviation = adapter._deviation(low.expand(-1, copies, -1, -1), layout)
    assert torch.equal(deviation, torch.zeros_like(deviation))
    one = torch.randn(1, TOKENS, CHANNELS, generator=torch.Generator().manual_seed(seed))
    if copies == 1:
        assert torch.equal(adapter(one, layout), torch.zeros_like(one))


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
