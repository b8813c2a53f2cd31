"""What the two tasks learn from: every part of the network, and more of it with every step."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from model.evaluation.answers import Ids
from model.evaluation.metrics import rank
from model.layers.clip_layout import ClipLayout
from model.losses.relational import cosine_difference
from model.losses.targets import sinkhorn_knopp
from model.training.loop import LoopPlan, train
from model.training.record import METRICS
from model.vills.network import Vills
from tests.training.crowd import data, finetune_config, finetune_task, pixels, pretrain_config, pretrain_task


def silent(step: int, text: str) -> None:
    """Nobody watches."""


def gradients(module: torch.nn.Module, batch: dict[str, Tensor]) -> dict[str, float]:
    """The largest gradient of each trained parameter; -1 where there is none."""
    module.train()
    torch.stack(list(module(batch).values())).sum().backward()  # type: ignore[no-untyped-call]
    trained = {name: each for name, each in module.named_parameters() if each.requires_grad}
    return {name: -1.0 if each.grad is None else float(each.grad.abs().max()) for name, each in trained.items()}


def test_fine_tuning_moves_every_parameter() -> None:
    task = finetune_task(finetune_config())
    found = gradients(task.module, dict(task.batch(0, 0, "cpu")))
    assert [name for name, most in found.items() if most <= 0] == []


@pytest.mark.parametrize("proposer", ["pose", "affinity"])
def test_pre_training_moves_every_parameter_but_the_neck_s(proposer: str) -> None:
    """The neck belongs to fine-tuning: self-distillation has heads of its own."""
    task = pretrain_task(pretrain_config(regions={"proposer": proposer, "points": 4}))
    found = gradients(task.module, dict(task.batch(0, 0, "cpu")))
    assert {name for name, most in found.items() if most <= 0} == {"student.network.neck.norm.weight"}


@pytest.mark.gpu
@pytest.mark.parametrize("proposer", ["pose", "affinity"])
def test_pre_training_learns_on_a_device_what_it_learns_on_a_cpu(proposer: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    losses = []
    for device in ("cpu", "cuda"):
        task = pretrain_task(pretrain_config(regions={"proposer": proposer, "points": 4}))
        losses.append(task.module.to(device).train()(task.batch(0, 0, device)))
    for term, loss in losses[0].items():
        assert losses[1][term].item() == pytest.approx(loss.item(), rel=0.05, abs=0.02), term
    found = gradients(task.module, dict(task.batch(0, 0, "cuda")))
    assert {name for name, most in found.items() if most <= 0} == {"student.network.neck.norm.weight"}


@pytest.mark.parametrize("term", ["dino", "ibot", "koleo", "lse", "parts", "ufla"])
def test_a_pre_training_term_of_weight_0_is_left_out_and_the_others_stay(term: str) -> None:
    task = pretrain_task(pretrain_config(losses={term: 0.0}))
    batch = task.batch(0, 0, "cpu")
    names = set(task.module(batch))
    assert names == {"dino", "ibot", "koleo", "lse", "parts", "ufla"} - {term}


@pytest.mark.parametrize("term", ["identity", "triplet", "propagation", "distil", "regress"])
def test_a_fine_tuning_term_of_weight_0_is_left_out_and_the_others_stay(term: str) -> None:
    task = finetune_task(finetune_config(losses={term: 0.0}))
    names = set(task.module(task.batch(0, 0, "cpu")))
    assert names == {"identity", "triplet", "propagation", "distil", "regress"} - {term}


def test_without_images_clips_alone_are_learnt_from() -> None:
    config = finetune_config(images=False, losses={"propagation": 0.0})
    task = finetune_task(config, taught=False)
    batch = dict(task.batch(0, 0, "cpu"))
    layout = ClipLayout(batch["mask"])
    image, video = task.module.features(batch["frames"], layout)
    assert image.shape == (0, video.shape[1]) and len(video) == len(batch["mask"])
    both = finetune_task(finetune_config(), taught=False).module.features(batch["frames"], layout)
    torch.testing.assert_close(video, both[1])
    assert set(task.module(batch)) == {"identity", "triplet"}
    found = gradients(task.module, batch)
    assert [name for name, most in found.items() if most <= 0] == []


def test_distances_are_propagated_where_asked() -> None:
    task = finetune_task(finetune_config(losses={"distances": 1.0}))
    assert "distances" in task.module(task.batch(0, 0, "cpu"))


def test_cosines_are_distilled_where_asked() -> None:
    task = finetune_task(finetune_config(teachers=["onnx:drawn"], losses={"cosines": 2.0}))
    batch = dict(task.batch(0, 0, "cpu"))
    losses = task.module.train()(batch)
    image, video = task.module.features(batch["frames"], ClipLayout(batch["mask"]))
    norm = task.module.network.neck.norm
    seen = norm.weight * (image - image.mean(dim=0)) / (image.var(dim=0, correction=0) + norm.eps).sqrt()
    rows = [
        torch.cat((each, torch.stack([each[batch["clip"] == clip].mean(dim=0) for clip in range(len(video))])))
        for each in (seen, batch["teacher"].float())
    ]
    torch.testing.assert_close(losses["cosines"], 2 * cosine_difference(*rows))
    assert gradients(task.module, batch)["regressor.weight"] > 0
    losses["cosines"].backward()
    assert set(task.module(batch)) - {"cosines"} == set(finetune_task(finetune_config()).module(batch))


def test_teachers_say_nothing_of_time() -> None:
    task = finetune_task(finetune_config())
    losses = task.module(task.batch(0, 0, "cpu"))
    torch.autograd.backward(losses["distil"] + losses["regress"])
    network = task.module.network
    assert network.fuse.weight.grad is not None and network.fuse.weight.grad.any()
    adapters = [*network.adapters.parameters()]
    assert adapters and not any(each.grad is not None and each.grad.any() for each in adapters)


def test_a_teacher_s_targets_are_balanced_where_asked() -> None:
    """Sinkhorn's: over the rows that count every prototype is meant about equally often; the rest say nothing."""
    config = pretrain_config(centring="sinkhorn")
    task = pretrain_task(config)
    logits = torch.randn(3, 8, config.prototypes, generator=torch.Generator().manual_seed(0))
    logits[..., 0] += 3  # what a collapsing teacher says
    used = torch.zeros(3, 8, dtype=torch.bool)
    used[:2] = True
    targets = task.module._targets("region", logits, used)
    torch.testing.assert_close(targets[used], sinkhorn_knopp(logits[used], config.teacher_temperature))
    assert not targets[2].any()
    by_mean = pretrain_task(pretrain_config()).module._targets("region", logits, used)
    assert by_mean[used][:, 0].mean() > 5 * targets[used][:, 0].mean()
    before = {name: value.clone() for name, value in task.module.centres.state_dict().items()}
    found = gradients(task.module, dict(task.batch(0, 0, "cpu")))
    assert {name for name, most in found.items() if most <= 0} == {"student.network.neck.norm.weight"}
    assert all(torch.equal(value, before[name]) for name, value in task.module.centres.state_dict().items())


def test_without_a_teacher_nothing_is_distilled() -> None:
    task = finetune_task(finetune_config(), taught=False)
    assert set(task.module(task.batch(0, 0, "cpu"))) == {"identity", "triplet", "propagation"}


def test_fine_tuning_finds_persons_in_another_camera(tmp_path: Path) -> None:
    config = finetune_config(schedule={"steps": 60, "lr": 2e-3, "warmup": 5, "average": 0.9})
    task = finetune_task(config)
    before = rank_1(task.kept)
    train(task, LoopPlan(steps=60, lr=2e-3, warmup=5, seed=1, device="cpu"), tmp_path, "{}", silent)
    assert rank_1(task.kept) >= max(80.0, before)
    lines = [json.loads(line) for line in (tmp_path / METRICS).read_text().splitlines()]
    assert lines[-1]["loss/identity"] < 0.95 * lines[0]["loss/identity"]


def test_pre_training_makes_the_student_say_what_the_teacher_says(tmp_path: Path) -> None:
    config = pretrain_config(schedule={"steps": 40, "lr": 2e-3, "warmup": 5})
    task = pretrain_task(config)
    train(task, LoopPlan(steps=40, lr=2e-3, warmup=5, seed=1, device="cpu", log_every=10), tmp_path, "{}", silent)
    lines = [json.loads(line) for line in (tmp_path / METRICS).read_text().splitlines()]
    for term in ("dino", "lse"):
        assert lines[-1][f"loss/{term}"] < lines[0][f"loss/{term}"], term
    assert all(np.isfinite(value) for line in lines for value in line.values())


def test_the_teacher_is_never_trained_by_gradient() -> None:
    task = pretrain_task(pretrain_config())
    torch.stack(list(task.module(task.batch(0, 0, "cpu")).values())).sum().backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is None for parameter in task.module.teacher.parameters())
    trained = {id(each) for group in task.optimiser().param_groups for each in group["params"]}
    assert not trained & {id(parameter) for parameter in task.module.teacher.parameters()}


def test_averages_move_towards_what_is_trained() -> None:
    task = finetune_task(finetune_config())
    with torch.no_grad():
        for parameter in task.module.network.parameters():
            parameter.add_(1.0)
    before = {name: tensor.clone() for name, tensor in task.module.average.named_parameters()}
    task.after_step(10_000)
    decay = task._config.schedule.average
    for name, tensor in task.module.average.named_parameters():
        torch.testing.assert_close(tensor, before[name] + (1 - decay), rtol=0, atol=1e-5)


def test_some_of_an_early_average_is_kept_where_asked(tmp_path: Path) -> None:
    """Written is a quarter of the average after two steps and three of the last; a resumed run keeps the same."""
    config = finetune_config(early={"step": 2, "share": 0.25})
    plan = LoopPlan(steps=6, lr=1e-3, warmup=2, seed=1, device="cpu")
    task, whole = finetune_task(config), finetune_task(config)
    for stop in (3, None):
        train(task, dataclasses.replace(plan, stop_after=stop), tmp_path / "parts", "{}", silent)
        task = task if stop is None else finetune_task(config)
    train(whole, plan, tmp_path / "whole", "{}", silent)
    two = finetune_task(config)
    train(two, dataclasses.replace(plan, stop_after=2), tmp_path / "two", "{}", silent)
    early, last = two.module.average.state_dict(), whole.module.average.state_dict()
    for name, tensor in whole.kept.state_dict().items():
        assert torch.equal(tensor, task.kept.state_dict()[name]), name
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, 0.25 * early[name] + 0.75 * last[name])
    assert not torch.equal(early["fuse.weight"], last["fuse.weight"])


def test_masked_patches_are_a_part_of_some_pictures() -> None:
    config = pretrain_config(masked_pictures=0.5, masked_part=(0.25, 0.5))
    hidden = torch.cat([pretrain_task(config).batch(step, 0, "cpu")["hidden"] for step in range(40)])
    share = hidden.float().mean(dim=1)
    assert set(share[share > 0].tolist()) <= {0.25, 0.375, 0.5}
    assert 0.35 < (share > 0).float().mean() < 0.65
    assert not pretrain_task(pretrain_config(masked_pictures=0.0)).batch(0, 0, "cpu")["hidden"].any()


def test_without_ibot_no_patch_is_masked() -> None:
    """Masks still hid patches from the other losses."""
    assert not pretrain_task(pretrain_config(losses={"ibot": 0.0})).batch(0, 0, "cpu")["hidden"].any()
    assert pretrain_task(pretrain_config()).batch(0, 0, "cpu")["hidden"].any()


def rank_1(network: Vills) -> float:
    """Percent of pictures of camera 0 whose nearest picture of camera 1 shows the same person."""
    shown, tracks = pixels(), data().tracks
    with torch.no_grad():
        clips = torch.from_numpy(shown).permute(0, 3, 1, 2)[:, None]
        vectors = network.eval()(clips, torch.ones(len(shown), 1, dtype=torch.bool)).numpy()
    sides = []
    for camera in (0, 1):
        rows = [(row, track.person) for track in tracks if track.camera == camera for row in track.rows]
        places, persons = (np.array(values) for values in zip(*rows, strict=True))
        sides.append((vectors[places], Ids(persons + 1, np.full(len(persons), camera))))
    (queries, query_ids), (gallery, gallery_ids) = sides
    return rank(queries, gallery, query_ids, gallery_ids).rank1
