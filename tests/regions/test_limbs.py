"""Regions of a stick figure whose limbs lie where they are put, and of drawn walkers."""

import numpy as np
import pytest
import torch
from torch import Tensor

from model.regions.errors import BadRegions
from model.regions.limbs import Limb, PoseRegions, draw_points
from model.regions.pose import PoseModel
from model.regions.proposer import Prompts, RegionProposer
from tests.model.shared_files import shared_file
from tests.regions.drawn import draw_walker
from tests.regions.figures import STANDING, figure


def everywhere(rows: int = 32, columns: int = 16) -> Tensor:
    return torch.full((1, rows, columns), 255, dtype=torch.uint8)


def at(x: float, y: float) -> Prompts:
    return Prompts(torch.tensor([[[x, y]]]), torch.ones(1, 1))


def middle(weights: Tensor) -> Tensor:
    """Mean place of weights (..., H, W), as shares of width and height: (..., 2)."""
    rows, columns = weights.shape[-2:]
    y, x = torch.arange(rows) + 0.5, torch.arange(columns) + 0.5
    total = weights.sum(dim=(-2, -1))
    return torch.stack(
        [(weights.sum(-2) * x).sum(-1) / total / columns, (weights.sum(-1) * y).sum(-1) / total / rows], dim=-1
    )


def test_a_limb_against_a_literal_reading() -> None:
    keypoints, mask = figure(), torch.rand(1, 32, 16, generator=torch.Generator().manual_seed(1))
    weights = PoseRegions(keypoints, mask).limbs().weights[0, Limb.THIGH_LEFT]
    hip, knee = (np.array(STANDING[k]) * (16, 32) for k in (23, 25))
    torso = 0.3 * 32  # neck and pelvis are 0.3 of the height apart
    for row in range(32):
        for column in range(16):
            cell = np.array([column + 0.5, row + 0.5])
            share = min(1.0, max(0.0, float((cell - hip) @ (knee - hip) / ((knee - hip) @ (knee - hip)))))
            distance = float(np.linalg.norm(cell - hip - share * (knee - hip))) / (0.17 * torso)
            soft = 2.0 ** -(distance**2) if distance < 2 else 0.0
            assert float(weights[row, column]) == pytest.approx(soft * float(mask[0, row, column]), abs=1e-5)


def test_every_limb_lies_around_its_own_bones() -> None:
    limbs = PoseRegions(figure(), everywhere()).limbs()
    assert limbs.weights.shape == (1, len(Limb), 32, 16) and limbs.flat.shape == (1, len(Limb), 512)
    assert limbs.found.all()
    assert limbs.weights.min() >= 0 and limbs.weights.max() <= 1
    where = middle(limbs.weights[0])
    ends = {
        Limb.UPPER_ARM_LEFT: (11, 13), Limb.UPPER_ARM_RIGHT: (12, 14), Limb.FOREARM_LEFT: (13, 19),
        Limb.FOREARM_RIGHT: (14, 20), Limb.THIGH_LEFT: (23, 25), Limb.THIGH_RIGHT: (24, 26),
        Limb.SHIN_LEFT: (25, 27), Limb.SHIN_RIGHT: (26, 28),
    }  # fmt: skip
    for limb, (a, b) in ends.items():
        expected = (torch.tensor(STANDING[a]) + torch.tensor(STANDING[b])) / 2
        assert (where[limb] - expected).abs().max() < 0.06, limb.name
    assert where[Limb.HEAD, 1] < 0.15 and 0.3 < where[Limb.TORSO, 1] < 0.4


def test_the_mask_cuts_and_unseen_limbs_are_not_found() -> None:
    half = everywhere()
    half[:, :, 8:] = 0  # the person's left side is hidden
    keypoints = figure()
    keypoints[0, 28, 2] = keypoints[0, 32, 2] = 0.1  # and so is the right foot
    limbs = PoseRegions(keypoints, half).limbs()
    assert not limbs.weights[..., 8:].any()
    lost = {Limb(i) for i in (~limbs.found[0]).nonzero().flatten().tolist()}
    assert lost == {Limb.UPPER_ARM_LEFT, Limb.FOREARM_LEFT, Limb.SHIN_RIGHT} | (
        lost & {Limb.THIGH_LEFT, Limb.SHIN_LEFT}
    )
    assert not limbs.weights[~limbs.found].any()
    assert not PoseRegions(figure(), torch.zeros(1, 32, 16)).limbs().found.any()


def test_a_limb_is_seen_when_either_of_its_bones_is() -> None:
    keypoints = figure()
    keypoints[0, 32, 2] = 0.0  # the toes alone are hidden
    assert PoseRegions(keypoints, everywhere()).limbs().found[0, Limb.SHIN_RIGHT]
    keypoints[0, [7, 11, 23], 2] = 0.0  # seen from the right
    assert PoseRegions(keypoints, everywhere()).limbs().found[0, [Limb.HEAD, Limb.TORSO]].all()


def test_a_spot_lies_around_its_prompt() -> None:
    proposer: RegionProposer = PoseRegions(figure(), everywhere(), reach=0.2)
    prompts = Prompts(
        torch.tensor([[[0.4, 0.3], [0.6, 0.8], [1.2, 0.5], [0.5, 0.5]]]), torch.tensor([[1.0, 0.5, 1, 0]])
    )
    masks = proposer.propose(prompts)
    assert masks.found.tolist() == [[True, True, False, False]]
    assert not masks.weights[0, 2:].any()
    assert (middle(masks.weights[0, :2]) - prompts.points[0, :2]).abs().max() < 0.02
    wider = PoseRegions(figure(), everywhere(), reach=torch.tensor([[0.2, 0.4, 0.2, 0.2]])).propose(prompts)
    assert torch.equal(wider.weights[0, 0], masks.weights[0, 0])
    assert wider.weights[0, 1].sum() > 3 * masks.weights[0, 1].sum()


@pytest.mark.parametrize("point", [(0.5, 0.35), (0.64, 0.8), (0.18, 0.46), (0.3, 0.6), (0.5, 0.05), (0.7, 0.95)])
def test_a_point_is_found_again_on_the_moved_body(point: tuple[float, float]) -> None:
    first = PoseRegions(figure(), everywhere())
    moved = PoseRegions(figure((0.05, -0.04), 0.8), everywhere())
    found = moved.place(first.tell(at(*point)))
    expected = (torch.tensor(point) - 0.5) * 0.8 + 0.5 + torch.tensor((0.05, -0.04))
    assert torch.allclose(found.points[0, 0], expected, atol=1e-4)
    assert torch.allclose(first.place(first.tell(at(*point))).points[0, 0], torch.tensor(point), atol=1e-5)


def test_a_point_goes_along_with_the_limb_it_is_on() -> None:
    raised = figure()
    raised[0, [13, 15, 19], :2] = torch.tensor([[0.7, 0.1], [0.72, 0.04], [0.73, 0.01]])  # the left arm goes up
    first, second = PoseRegions(figure(), everywhere()), PoseRegions(raised, everywhere())
    hand = first.tell(at(0.81, 0.46))
    assert second.place(hand).points[0, 0, 1] < 0.1
    raised[0, 13, 2] = 0.0
    assert not PoseRegions(raised, everywhere()).place(hand).visibility.any()
    belly = first.tell(at(0.5, 0.4))
    assert torch.allclose(second.place(belly).points[0, 0], torch.tensor([0.5, 0.4]), atol=1e-5)


def test_drawn_points_lie_on_the_mask_as_often_as_its_weights_say() -> None:
    masks = torch.zeros(3, 8, 4)
    masks[0, 2, 1], masks[0, 6, 3], masks[1, 0, 0] = 0.75, 0.25, 1
    prompts = draw_points(masks, 4000, torch.Generator().manual_seed(2))
    cells = (prompts.points[0] * torch.tensor([4.0, 8.0])).floor().long()
    assert set(map(tuple, cells.tolist())) == {(1, 2), (3, 6)}
    assert 0.72 < (cells[:, 0] == 1).float().mean() < 0.78
    assert prompts.points[1].max(dim=0).values.tolist() == pytest.approx([0.25, 0.125], abs=0.001)
    assert prompts.visibility.amax(dim=1).tolist() == [1, 1, 0]
    again = draw_points(masks, 4000, torch.Generator().manual_seed(2))
    assert torch.equal(prompts.points, again.points)


def test_pictures_of_a_batch_do_not_see_each_other() -> None:
    keypoints = torch.cat([figure(), figure((0.1, 0.02), 0.7)])
    masks = torch.rand(2, 32, 16, generator=torch.Generator().manual_seed(3))
    prompts = draw_points(masks, 3, torch.Generator().manual_seed(4))
    both = PoseRegions(keypoints.half(), masks)
    for i in range(2):
        alone = PoseRegions(keypoints[i : i + 1].half(), masks[i : i + 1])
        mine = Prompts(prompts.points[i : i + 1], prompts.visibility[i : i + 1])
        assert torch.equal(both.limbs().weights[i], alone.limbs().weights[0])
        assert torch.equal(both.propose(prompts).weights[i], alone.propose(mine).weights[0])
        assert torch.allclose(both.place(both.tell(prompts)).points[i], mine.points[0], atol=1e-5)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(BadRegions, match="same pictures"):
        PoseRegions(figure(), everywhere().expand(2, -1, -1))
    with pytest.raises(BadRegions, match="one visibility"):
        Prompts(torch.zeros(1, 3, 2), torch.ones(1, 2))


def test_limbs_of_a_drawn_walker_lie_on_the_walker() -> None:
    pytest.importorskip("ai_edge_litert")
    pose = PoseModel(shared_file("models/pose_landmark_full.tflite"))
    for number in (1, 3):
        drawn = draw_walker(number, yaw=0.0)
        body = pose.body(drawn.pixels)
        limbs = PoseRegions(torch.from_numpy(body.keypoints)[None], torch.from_numpy(body.mask)[None]).limbs()
        assert limbs.found.all()
        where = middle(limbs.weights[0])
        for limb, (a, b) in {
            Limb.UPPER_ARM_LEFT: (11, 13),
            Limb.SHIN_RIGHT: (26, 28),
            Limb.THIGH_LEFT: (23, 25),
        }.items():
            true = (np.array(drawn.joints[a]) + np.array(drawn.joints[b])) / 2
            assert np.abs(where[limb].numpy() - true).max() < 0.06, limb.name
