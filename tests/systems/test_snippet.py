"""The snippet system: self-pooled vectors, a table that remembers, and re-scoring by cross-pooling."""

import math
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.layers.frame_trunk import TrunkName
from model.losses.oim import oim_loss, oim_table
from model.losses.verification import balanced_verification
from model.systems.snippet import Snippet, SnippetConfig, SnippetHeads, track_distance
from model.systems.system import Batch
from tests.systems.learning import settle, wake, without_gradient

SMALL = SnippetConfig(trunk="mobilenetv2", height=64, width=32, dimension=16)
EITHER = pytest.mark.parametrize("pairs", ["cross", "self"])
Pairs = Literal["cross", "self"]


def system(config: SnippetConfig = SMALL) -> Snippet:
    torch.manual_seed(0)
    net = Snippet(config)
    wake(net)
    return net


def clips(batch: int, frames: int, config: SnippetConfig = SMALL, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, frames, 3, config.height, config.width, generator=generator)


def batch_of(shown: Tensor, *persons: int) -> Batch:
    person = torch.tensor(persons)
    return Batch(shown, person=person, track=torch.arange(len(person)), camera=torch.zeros_like(person))


def heads_of(net: Snippet, persons: int) -> SnippetHeads:
    heads = net.training_heads(persons)
    assert isinstance(heads, SnippetHeads)
    return heads


@pytest.mark.parametrize("frames", [1, 3])
def test_snippets_of_any_length_give_a_vector(frames: int) -> None:
    net = system().eval()
    with torch.no_grad():
        assert net.features(clips(2, frames)).shape == (2, net.dimension) == (2, 16)
    assert (net.frames, net.fixed) == (8, False)


@pytest.mark.parametrize("trunk", ["resnet18", "resnet50", "seresnet50", "inception_v3"])
def test_every_trunk_works(trunk: TrunkName) -> None:
    height, width = (139, 107) if trunk == "inception_v3" else (64, 32)
    config = replace(SMALL, trunk=trunk, height=height, width=width)
    with torch.no_grad():
        assert system(config).eval().features(clips(1, 2, config)).shape == (1, 16)


def test_the_order_of_frames_does_not_count_nor_do_copies() -> None:
    net, shown = system(), clips(2, 4)
    settle(net, shown)
    with torch.no_grad():
        features = net.features(shown)
        for index in (torch.tensor([2, 0, 3, 1]), torch.arange(4).repeat(2)):
            torch.testing.assert_close(net.features(shown[:, index]), features, rtol=1e-4, atol=1e-5)


@EITHER
@pytest.mark.parametrize("persons", [(0, 0, 2, 2), (1, 1, 0, 1, 1)])
def test_losses_equal_their_formulas_pair_by_pair(pairs: Pairs, persons: tuple[int, ...]) -> None:
    """The first of two clips with the second of all twos, as the program pairs them; persons frame by frame."""
    net, shown = system(replace(SMALL, pairs=pairs)).eval(), clips(len(persons), 2)
    heads, batch = heads_of(net, 4).eval(), batch_of(shown, *persons)
    heads.table.copy_(F.normalize(torch.randn(4, 16), dim=1))
    with torch.no_grad():
        got = net.losses(batch, heads)
        seen = net.encode(shown)
        pooled, logits, same = seen.pooled(), [], []
        for i in range(0, len(persons), 2):
            for j in range(1, len(persons), 2):
                query = seen.query[i] if pairs == "cross" else seen.query[j]
                weights = (query * seen.key[j]).softmax(dim=0)  # (T, D)
                logits.append(net.verify(pooled[i][None], (weights * seen.value[j]).sum(dim=0)[None])[0])
                same.append(persons[i] == persons[j])
        verification = balanced_verification(torch.stack(logits), torch.tensor(same), negative_rate=3)
        hits = [
            (30 * heads.table @ value).log_softmax(dim=0)[person]
            for person, values in zip(persons, seen.value, strict=True)
            for value in values
        ]
    assert got.keys() == {"oim", "verification"}
    torch.testing.assert_close(got["verification"], 10 * verification)
    torch.testing.assert_close(got["oim"], -torch.stack(hits).mean())


def test_the_verifier_s_norm_sees_the_pairs_and_nothing_else() -> None:
    """Bug: it saw each snippet beside itself as well, whose squares are 0, and what it remembered was too small."""
    net, batch = system().train(), batch_of(clips(6, 2), 0, 0, 1, 1, 2, 2)
    net.verify.norm.momentum = 1.0
    net.losses(batch, heads_of(net, 3))
    with torch.no_grad():
        seen = net.encode(batch.clips)
        squares = (seen.pooled()[::2, None] - seen.pooled_for(seen)[::2, 1::2]).square().flatten(0, 1)  # (9, D)
    running = net.verify.norm.running_mean, net.verify.norm.running_var
    torch.testing.assert_close(running, (squares.mean(dim=0), squares.var(dim=0)))


def test_the_table_takes_in_all_frames_in_training_mode_only_and_after_the_loss() -> None:
    net, shown = system().eval(), clips(3, 2)
    heads, batch = heads_of(net, 4), batch_of(shown, 0, 0, 2)
    person = torch.tensor([0, 0, 0, 0, 2, 2])
    before = F.normalize(torch.randn(4, 16), dim=1)
    heads.table.copy_(before)
    with torch.no_grad():
        net.losses(batch, heads.eval())
        assert torch.equal(heads.table, before)
        terms = net.losses(batch, heads.train())
        frames = net.encode(shown).value.flatten(0, 1)
    torch.testing.assert_close(terms["oim"], oim_loss(frames, person, before, scale=30))
    torch.testing.assert_close(heads.table, oim_table(before, frames, person, momentum=0.5))
    assert "table" in heads.state_dict() and not [*heads.parameters()]


@EITHER
def test_every_parameter_learns_and_losses_are_float32_under_autocast(pairs: Pairs) -> None:
    net = system(replace(SMALL, pairs=pairs))
    heads, batch = heads_of(net, 2), batch_of(clips(4, 3), 0, 0, 1, 1)
    net.losses(batch, heads)  # an empty table tells nobody apart
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = net.losses(batch, heads)
    assert all(term.ndim == 0 and term.dtype == torch.float32 for term in terms.values())
    torch.autograd.backward(torch.stack([*terms.values()]).sum())
    assert without_gradient(net) == []


@pytest.mark.parametrize("term", ["oim", "verification"])
def test_pairs_teach_the_attention_and_both_losses_the_values(term: str) -> None:
    """Persons are told by each frame, before anything is pooled."""
    net = system()
    heads, batch = heads_of(net, 2), batch_of(clips(4, 3), 0, 0, 1, 1)
    net.losses(batch, heads)
    torch.autograd.backward(net.losses(batch, heads)[term])
    attention = ["query.weight", "key.weight", "query_norm.weight", "query_norm.bias", "key_norm.weight"]
    assert without_gradient(net.pooling) == ([] if term == "verification" else attention)


@pytest.mark.parametrize(
    ("length", "starts"), [(1, [0]), (3, [0]), (8, [0]), (9, [0]), (12, [0]), (13, [0, 4]), (17, [0, 4, 8])]
)
def test_tracks_are_cut_every_four_frames_and_short_ones_repeat_their_last(length: int, starts: list[int]) -> None:
    """The program's starts are those below L - 8: eight frames and twelve make one snippet, thirteen two."""
    frames = torch.arange(length).view(-1, 1, 1, 1).expand(-1, 3, 2, 1)
    cut = system().snippets(frames)
    assert cut.shape == (len(starts), 8, 3, 2, 1)
    want = [[min(start + place, length - 1) for place in range(8)] for start in starts]
    assert cut[:, :, 0, 0, 0].tolist() == want


def test_of_a_track_each_frame_is_looked_at_once() -> None:
    """Bug: snippets that overlap were cut from pixels, and a long track had twice as many in memory."""
    net, track = system().eval(), clips(1, 13)[0]
    seen: list[int] = []
    net.trunk.register_forward_pre_hook(lambda trunk, given: seen.append(len(given[0])))
    with torch.no_grad():
        found, wanted = net.encode_track(track), net.encode(net.snippets(track))
    assert seen[0] == len(track)
    torch.testing.assert_close(found.pooled(), wanted.pooled(), rtol=1e-4, atol=1e-4)


@given(seed=st.integers(0, 2**16), ours=st.integers(1, 5), theirs=st.integers(1, 7))
@settings(max_examples=25, deadline=None)
def test_a_track_s_distance_is_the_mean_up_to_the_twentieth_percentile(seed: int, ours: int, theirs: int) -> None:
    """Of all distances, and with ties: of ten values each comes several times."""
    generator = torch.Generator().manual_seed(seed)
    for distances in (
        torch.rand(ours, theirs, generator=generator, dtype=torch.float64),
        torch.randint(10, (ours, theirs), generator=generator).double(),
    ):
        every = distances.numpy()
        assert math.isclose(track_distance(distances, 0.2).item(), every[every <= np.percentile(every, 20)].mean())


@EITHER
def test_rescoring_equals_its_formula_snippet_by_snippet(pairs: Pairs) -> None:
    net = system(replace(SMALL, pairs=pairs)).eval()
    tracks = [clips(snippets, 3, seed=snippets) for snippets in (2, 3, 1)]
    with torch.no_grad():
        query, *gallery = (net.encode(track) for track in tracks)
        got = net.rescore(query, gallery)
        for place, candidate in enumerate(gallery):
            distances = []
            for i in range(2):
                for j in range(len(candidate.query)):
                    look = query.query[i] if pairs == "cross" else candidate.query[j]
                    theirs = ((look * candidate.key[j]).softmax(dim=0) * candidate.value[j]).sum(dim=0)
                    two, one = net.verify(query.pooled()[i][None], theirs[None])[0].exp().tolist()
                    distances.append(two / (one + two))
            kept = sorted(distances)[: math.floor(0.2 * (len(distances) - 1)) + 1]
            assert math.isclose(got[place].item(), 1 - sum(kept) / len(kept), rel_tol=1e-4)
    assert got.shape == (2,) and bool(((got >= 0) & (got <= 1)).all())


def test_a_trained_verifier_puts_the_same_track_first() -> None:
    """Once unlike squares count against a pair, a track is nearest to itself."""
    net = system(replace(SMALL, pairs="self"))
    settle(net, clips(4, 3))
    with torch.no_grad():
        net.verify.classify.weight.copy_(torch.tensor([[1.0], [-1.0]]).expand(2, 16))
        tracks = [net.encode(clips(2, 3, seed=seed)) for seed in range(3)]
        for place, track in enumerate(tracks):
            assert net.rescore(track, tracks).argmax().item() == place


def test_at_resnet_50_s_size() -> None:
    net = system(SnippetConfig())
    heads, shown = heads_of(net, 625), clips(3, 2, net.config)
    batch = batch_of(shown, 3, 3, 7)
    with torch.no_grad():
        heads.table.copy_(F.normalize(torch.randn(625, 128), dim=1))
    terms = net.losses(batch, heads)
    torch.autograd.backward(torch.stack([*terms.values()]).sum())
    assert without_gradient(net) == []
    with torch.no_grad():
        assert net.eval().features(shown[:1]).shape == (1, 128)
    assert heads.table.shape == (625, 128)
    assert sum(parameter.numel() for parameter in net.pooling.parameters()) == 3 * (2048 * 128 + 2 * 128)


def test_a_track_without_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="leave it out"):
        system().snippets(torch.zeros(0, 3, 64, 32))


@pytest.mark.parametrize("shape", [(1, 2, 3, 32, 64), (1, 0, 3, 64, 32), (2, 3, 64, 32)])
def test_what_are_no_clips_of_its_size_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"3, 64, 32.*resize the frames"):
        system().features(torch.zeros(shape))
