"""Self- and cross-pooling of snippets, and the verifier, against plain loops."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.layers.snippet_pooling import PairVerifier, SnippetPooling, Snippets, pool
from tests.systems.learning import without_gradient

C, D = 6, 4


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def drawn(seed: int, snippets: int, frames: int) -> Snippets:
    parts = normal(seed, snippets, 2 * frames + 1, D)
    return Snippets(parts[:, 0], parts[:, 1 : frames + 1], parts[:, frames + 1 :])


def literal(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """(D,), (T, D), (T, D) -> (D,)."""
    pooled = []
    for d in range(D):
        weights = [math.exp(float(query[d] * row[d])) for row in key]
        pooled.append(sum(weight * row[d] for weight, row in zip(weights, value, strict=True)) / sum(weights))
    return torch.stack([torch.as_tensor(number) for number in pooled])


@given(seed=st.integers(0, 2**16), frames=st.integers(1, 5))
@settings(max_examples=15, deadline=None)
def test_pooling_equals_its_formula(seed: int, frames: int) -> None:
    probe, gallery = drawn(seed, 2, 3), drawn(seed + 1, 3, frames)
    own, crossed = gallery.pooled(), gallery.pooled_for(probe)
    for g in range(3):
        key, value = gallery.key[g], gallery.value[g]
        torch.testing.assert_close(own[g], literal(gallery.query[g], key, value))
        for p in range(2):
            torch.testing.assert_close(crossed[p, g], literal(probe.query[p], key, value))


def test_order_does_not_count_nor_does_it_if_all_frames_come_twice() -> None:
    snippets = drawn(0, 2, 5)
    turn = torch.tensor([3, 1, 4, 0, 2])
    for index in (turn, turn.repeat(2)):
        again = Snippets(snippets.query, snippets.key[:, index], snippets.value[:, index])
        torch.testing.assert_close(again.pooled(), snippets.pooled())


def test_of_a_still_snippet_any_probe_pools_the_frame() -> None:
    still, probe = drawn(1, 2, 1), drawn(2, 3, 4)
    torch.testing.assert_close(still.pooled(), still.value[:, 0])
    torch.testing.assert_close(still.pooled_for(probe), still.value[:, 0].expand(3, 2, D))


def test_a_snippet_that_is_its_own_probe_pools_itself() -> None:
    snippets = drawn(3, 3, 4)
    torch.testing.assert_close(snippets.pooled_for(snippets).diagonal().T, snippets.pooled())


def test_queries_are_means_over_frames_of_a_normed_linear_map() -> None:
    torch.manual_seed(0)
    layer, frames = SnippetPooling(C, D).double().eval(), normal(4, 2, 3, C)
    norm = layer.query_norm
    assert norm.running_mean is not None and norm.running_var is not None
    norm.running_mean.copy_(normal(5, D))
    with torch.no_grad():
        got = layer(frames)
    weight = layer.query.weight.detach()
    for n in range(2):
        for d in range(D):
            total = 0.0
            for t in range(3):
                plain = float((weight[d] * frames[n, t]).sum() - norm.running_mean[d])
                total += plain / math.sqrt(float(norm.running_var[d]) + norm.eps)
            assert math.isclose(float(got.query[n, d]), total / 3, rel_tol=1e-9)
    assert got.key.shape == got.value.shape == (2, 3, D)


def test_values_are_unit_vectors_frame_by_frame() -> None:
    torch.manual_seed(0)
    layer, frames = SnippetPooling(C, D).double(), normal(11, 2, 3, C)
    value = layer(frames).value
    torch.testing.assert_close(value.norm(dim=-1), torch.ones(2, 3, dtype=torch.float64))
    assert (layer.value_norm(layer.value(frames.flatten(0, 1))).view(2, 3, D) * value > 0).all(), "and point as before"


def test_weights_begin_as_in_the_program() -> None:
    torch.manual_seed(0)
    layer, verify = SnippetPooling(300, 200), PairVerifier(4000)
    for each in (layer.query, layer.key, layer.value):
        assert math.isclose(each.weight.std().item(), math.sqrt(2 / 200), rel_tol=0.02)
    assert math.isclose(verify.classify.weight.std().item(), 0.001, rel_tol=0.05)
    assert not verify.classify.bias.any()


def test_every_parameter_has_a_gradient_and_is_float32_under_autocast() -> None:
    torch.manual_seed(0)
    layer, verify = SnippetPooling(C, D), PairVerifier(D)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        snippets = layer(normal(6, 4, 3, C).bfloat16())
        logits = verify(snippets.pooled()[:, None], snippets.pooled_for(snippets))
    assert snippets.value.dtype == logits.dtype == torch.float32
    (logits.log_softmax(dim=-1)[..., 0].sum() + snippets.pooled().sum()).backward()
    assert without_gradient(layer, verify) == []
    assert not layer.key_norm.bias.requires_grad


def test_the_verifier_reads_squared_differences_so_sides_may_be_swapped() -> None:
    torch.manual_seed(0)
    verify = PairVerifier(D).double().eval()
    a, b = normal(7, 3, 1, D), normal(8, 2, D)
    with torch.no_grad():
        logits = verify(a, b)
        torch.testing.assert_close(verify(b, a), logits)
        for i in range(3):
            for j in range(2):
                squares = torch.stack([(a[i, 0, d] - b[j, d]) ** 2 for d in range(D)])
                want = verify.classify.weight @ (squares / math.sqrt(1 + verify.norm.eps)) + verify.classify.bias
                torch.testing.assert_close(logits[i, j], want)


def test_pooling_is_float32_under_autocast() -> None:
    query, key = normal(9, 2, D).bfloat16(), normal(10, 2, 3, D).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert pool(query, key, key).dtype == torch.float32
