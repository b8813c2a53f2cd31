"""Heads begin from what the network knows: persons' mean features, and a regression of the teacher's vectors."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from model.training.finetune import FinetuneTask
from model.training.heads import LOGITS, features_of, fit_classifier, fit_regressor, pictures_of
from tests.training.crowd import PERSONS, data, finetune_config, finetune_task, pixels


def uncounted(count: int) -> None:
    """Nobody watches."""


def losses(task: FinetuneTask) -> dict[str, float]:
    torch.manual_seed(0)
    task.module.train()
    return {name: float(loss.detach()) for name, loss in task.module(task.batch(0, 0, "cpu")).items()}


def test_every_picture_of_every_track_is_listed_with_its_person() -> None:
    rows, person = pictures_of(data())
    assert sorted(rows.tolist()) == list(range(len(pixels())))
    assert np.bincount(person).tolist() == [6] * sum(PERSONS)  # two tracks of three pictures


def test_features_are_what_the_classifier_is_given_in_training() -> None:
    """With all pictures in one batch, the neck in training makes the same of them."""
    task = finetune_task(finetune_config())
    network, shown = task.module.network, pixels()
    found = features_of(network, shown, np.arange(len(shown)), "cpu", uncounted)
    clips = torch.from_numpy(shown).permute(0, 3, 1, 2)[:, None]
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        features = network.features(clips, torch.ones(len(shown), 1, dtype=torch.bool))
    wanted = network.neck.norm.train()(features).detach()
    torch.testing.assert_close(found, wanted, rtol=0.02, atol=0.1)  # bfloat16, in batches of another size


def test_a_classifier_s_row_is_the_mean_direction_of_its_person() -> None:
    generator = torch.Generator().manual_seed(1)
    features, person = torch.randn(7, 5, generator=generator), torch.tensor([0, 0, 1, 2, 2, 2, 1])
    classifier = nn.Linear(5, 3, bias=False)
    fit_classifier(classifier, features, person, torch.zeros(3, dtype=torch.int64), 0.1)
    length = sum(float(row.norm()) for row in features) / 7
    sizes = []
    for each in range(3):
        mean = sum(row / row.norm() for row, who in zip(features, person, strict=True) if who == each)
        assert isinstance(mean, torch.Tensor)
        row = classifier.weight[each].detach()
        torch.testing.assert_close(F.normalize(row, dim=0), F.normalize(mean, dim=0))
        sizes.append(float(row.norm()) * length)
    assert max(sizes) - min(sizes) < 1e-4 and min(abs(sizes[0] - size) for size in LOGITS) < 1e-4


def test_a_classifier_is_as_sure_as_features_allow() -> None:
    """Persons far apart get larger logits than persons whose pictures are strewn all over each other."""
    person = torch.arange(400) % 4
    noise = torch.randn(400, 8, generator=torch.Generator().manual_seed(3))
    told = {}
    for name, apart in (("far", 9), ("near", 0.3)):
        classifier, features = nn.Linear(8, 4, bias=False), F.one_hot(person, 8) * apart + noise
        fit_classifier(classifier, features, person, torch.zeros(4, dtype=torch.int64), 0.1)
        told[name] = float(classifier.weight[0].detach().norm() * features.norm(dim=1).mean())
    assert told["near"] < told["far"], told


def test_a_regressor_finds_a_linear_map_that_there_is() -> None:
    generator = torch.Generator().manual_seed(2)
    features, weight = torch.randn(400, 6, generator=generator), torch.randn(3, 6, generator=generator)
    bias = torch.tensor([1.0, -2.0, 0.5])
    regressor = nn.Linear(6, 3)
    fit_regressor(regressor, features, features @ weight.T + bias)
    torch.testing.assert_close(regressor.weight.detach(), weight, rtol=0.01, atol=0.01)
    torch.testing.assert_close(regressor.bias.detach(), bias, rtol=0.01, atol=0.01)


def test_where_all_pictures_are_alike_the_map_says_their_teacher_s_mean() -> None:
    regressor = nn.Linear(3, 2)
    teacher = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    fit_regressor(regressor, torch.zeros(4, 3), teacher)
    torch.testing.assert_close(regressor(torch.zeros(3)), torch.tensor([0.75, 0.25]))


def test_more_numbers_than_pictures_still_have_a_regressor() -> None:
    regressor = nn.Linear(8, 2)
    fit_regressor(regressor, torch.randn(3, 8), torch.randn(3, 2))
    assert bool(torch.isfinite(regressor.weight).all())


def test_fitted_heads_know_more_than_drawn_ones_and_the_network_stays() -> None:
    drawn, fitted = (finetune_task(finetune_config()) for _ in range(2))
    counted: list[int] = []
    fitted.fit_heads("cpu", counted.append)
    assert sum(counted) == fitted.n_pictures == len(pixels())
    for name, tensor in drawn.module.network.state_dict().items():
        torch.testing.assert_close(fitted.module.network.state_dict()[name], tensor, rtol=0, atol=0)
    before, after = losses(drawn), losses(fitted)
    assert after["identity"] < before["identity"]
    assert after["regress"] < 0.5 * before["regress"]
    for term in ("triplet", "propagation", "distil"):  # heads have no part in them
        assert after[term] == before[term]


def test_a_task_without_a_teacher_has_a_classifier_to_fit_alone() -> None:
    task = finetune_task(finetune_config(), taught=False)
    task.fit_heads("cpu", uncounted)
    assert task.module.regressor is None
