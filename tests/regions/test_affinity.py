"""Regions by likeness of tokens, on pictures whose tokens say which of a few things each patch shows."""

import math

import pytest
import torch
from torch import Tensor

from model.regions.affinity import AffinityRegions
from model.regions.errors import BadRegions
from model.regions.proposer import Prompts, RegionProposer

GRID = (6, 4)
CLEAR = 0.6  # things that share a wall are somewhat alike once the mean, which is mostly wall, is taken away
# What each patch shows: 0 wall, 1 shirt, 2 trousers, 3 a bag.
FIRST = [
    [0, 0, 0, 0],
    [0, 1, 1, 0],
    [0, 1, 1, 3],
    [0, 2, 2, 3],
    [0, 2, 2, 0],
    [0, 0, 0, 0],
]
LATER = [
    [0, 0, 0, 0],
    [0, 0, 1, 1],
    [0, 3, 1, 1],
    [0, 3, 2, 2],
    [0, 0, 2, 2],
    [0, 0, 0, 0],
]


def tokens_of(things: list[list[int]], noise: float = 0.1, seed: int = 0) -> Tensor:
    """(1, L, 32): a vector for each thing, the same in all pictures, a large one in common, and noise."""
    vectors = torch.randn(4, 32, generator=torch.Generator().manual_seed(7))
    common = 5 * torch.randn(32, generator=torch.Generator().manual_seed(8))
    shown = vectors[torch.tensor(things).flatten()] + common
    return (shown + noise * torch.randn(shown.shape, generator=torch.Generator().manual_seed(seed)))[None]


def on(*cells: tuple[int, int]) -> Prompts:
    """Prompts in the middles of cells (row, column)."""
    points = torch.tensor([[[(column + 0.5) / GRID[1], (row + 0.5) / GRID[0]] for row, column in cells]])
    return Prompts(points, torch.ones(points.shape[:2]))


def shows(things: list[list[int]], thing: int) -> Tensor:
    return torch.tensor(things) == thing


def test_a_prompt_gives_the_whole_thing_it_lies_on_and_nothing_else() -> None:
    proposer: RegionProposer = AffinityRegions(tokens_of(FIRST), GRID, threshold=CLEAR)
    masks = proposer.propose(on((1, 1), (3, 2), (2, 3)))
    assert masks.weights.shape == (1, 3, *GRID) and masks.found.all()
    for region, thing in enumerate((1, 2, 3)):
        assert torch.equal(masks.weights[0, region] > 0.5, shows(FIRST, thing))
    # Any point on the same thing gives the same area.
    assert torch.equal(proposer.propose(on((3, 3))).weights > 0.5, masks.weights[:, 2:] > 0.5)


def test_the_same_thing_is_found_in_another_frame() -> None:
    first = AffinityRegions(tokens_of(FIRST), GRID, threshold=CLEAR)
    later = AffinityRegions(tokens_of(LATER, seed=1), GRID, threshold=CLEAR)
    vectors = first.vectors(on((1, 1), (4, 1), (2, 3)))
    found = later.find(vectors, torch.ones(1, 3, dtype=torch.bool))
    assert found.found.all()
    for region, thing in enumerate((1, 2, 3)):
        assert torch.equal(found.weights[0, region] > 0.5, shows(LATER, thing))


def test_what_is_gone_or_was_not_asked_is_not_found() -> None:
    first = AffinityRegions(tokens_of(FIRST), GRID, threshold=CLEAR)
    gone = [[0 if thing == 3 else thing for thing in row] for row in LATER]
    later = AffinityRegions(tokens_of(gone, seed=2), GRID, threshold=CLEAR)
    vectors = first.vectors(on((1, 1), (2, 3), (1, 1)))
    found = later.find(vectors, torch.tensor([[True, True, False]]))
    assert found.found.tolist() == [[True, False, False]]
    assert not found.weights[0, 1:].any()
    outside = Prompts(torch.tensor([[[1.4, 0.5], [0.4, 0.3]]]), torch.tensor([[1.0, 0.0]]))
    assert not first.propose(outside).found.any()


def test_against_a_literal_reading() -> None:
    tokens = torch.randn(2, 24, 8, generator=torch.Generator().manual_seed(3))
    prompts = Prompts(torch.tensor([[[0.3, 0.9]], [[1.0, 0.0]]]), torch.ones(2, 1))
    masks = AffinityRegions(tokens, GRID, threshold=0.2, temperature=0.5).propose(prompts)
    for picture, prompted in enumerate((5 * 4 + 1, 3)):
        centred = [token - sum(tokens[picture]) / 24 for token in tokens[picture]]
        for patch in range(24):
            a, b = centred[prompted], centred[patch]
            cosine = float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))
            expected = 1 / (1 + math.exp(-(cosine - 0.2) / 0.5))
            assert float(masks.flat[picture, 0, patch]) == pytest.approx(expected, abs=1e-5)


def test_no_gradient_reaches_the_teacher_and_its_tokens_stay_as_they_are() -> None:
    tokens = tokens_of(FIRST).requires_grad_()
    before = tokens.detach().clone()
    masks = AffinityRegions(tokens, GRID).propose(on((1, 1)))
    assert not masks.weights.requires_grad and torch.equal(tokens.detach(), before)
    half = AffinityRegions(tokens.bfloat16(), GRID).propose(on((1, 1)))
    assert half.weights.dtype == torch.float32 and torch.equal(half.weights > 0.5, masks.weights > 0.5)
    flat = AffinityRegions(torch.ones(1, 24, 8), GRID).propose(on((1, 1)))  # nothing stands out of a flat picture
    assert not flat.found.any() and torch.isfinite(flat.weights).all()


def test_tokens_must_fit_the_grid() -> None:
    with pytest.raises(BadRegions, match="leave \\[CLS\\] out"):
        AffinityRegions(torch.zeros(1, 25, 8), GRID)
