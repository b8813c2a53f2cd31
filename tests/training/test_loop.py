"""The loop: resumed runs end as unbroken ones, damaged checkpoints are refused, a loss that is no number stops it."""

import json
import resource
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from model.training import record
from model.training.checkpoint import FILE, load_checkpoint, save_checkpoint
from model.training.errors import BadCheckpoint, Diverged, FolderUnusable
from model.training.loop import LoopPlan, train
from model.training.record import CONFIG, METRICS
from model.vills.network import Vills
from tests.model.small import small_network
from tests.training.crowd import finetune_config, finetune_task, pretrain_config, pretrain_task

PLAN = LoopPlan(steps=6, lr=1e-3, warmup=2, seed=1, device="cpu", log_every=2)
TASKS: dict[str, Callable[[], Any]] = {
    "finetune": lambda: finetune_task(finetune_config()),
    "pretrain": lambda: pretrain_task(pretrain_config()),
}


def silent(step: int, text: str) -> None:
    """Nobody watches."""


def state_after(task: Any, plan: LoopPlan, folder: Path, runs: int) -> dict[str, Tensor]:
    for _ in range(runs):
        train(task(), plan, folder, "{}", silent)
    checkpoint = load_checkpoint(folder, "{}", "")
    assert checkpoint is not None and checkpoint.step == PLAN.steps
    return checkpoint.module


@pytest.mark.parametrize("kind", TASKS)
def test_a_run_that_was_stopped_and_resumed_ends_as_one_that_was_not(kind: str, tmp_path: Path) -> None:
    whole = state_after(TASKS[kind], PLAN, tmp_path / "whole", 1)
    parts = state_after(TASKS[kind], replace(PLAN, stop_after=2), tmp_path / "parts", 3)
    assert whole.keys() == parts.keys()
    for name, tensor in whole.items():
        assert torch.equal(tensor, parts[name]), name
    lines = [(tmp_path / run / METRICS).read_text().splitlines() for run in ("whole", "parts")]
    assert [json.loads(line)["step"] for line in lines[0]] == [2, 4, 6]
    assert lines[0] == lines[1]


def test_a_killed_run_does_its_last_steps_again_and_counts_them_once(tmp_path: Path) -> None:
    """It was killed after it had told of step 4 and before it had written a checkpoint since step 2."""
    state_after(TASKS["finetune"], replace(PLAN, stop_after=2), tmp_path, 3)
    before = (tmp_path / METRICS).read_text()
    (tmp_path / FILE).unlink()
    train(TASKS["finetune"](), replace(PLAN, stop_after=2), tmp_path, "{}", silent)
    (tmp_path / METRICS).write_text(before + '{"step": 6, "lo')
    train(TASKS["finetune"](), PLAN, tmp_path, "{}", silent)
    assert (tmp_path / METRICS).read_text() == before


@pytest.mark.parametrize("kind", TASKS)
def test_a_run_killed_between_checkpoints_ends_as_one_that_was_not(kind: str, tmp_path: Path) -> None:
    """It dies in its fifth step, of which nothing is kept, and goes on from the fourth."""
    whole = state_after(TASKS[kind], PLAN, tmp_path / "whole", 1)
    task, often = TASKS[kind](), replace(PLAN, save_every_s=0.0)
    drawn = task.batch

    def dying(step: int, micro: int, device: str) -> Mapping[str, Tensor]:
        if step == 4:
            raise KeyboardInterrupt
        batch: Mapping[str, Tensor] = drawn(step, micro, device)
        return batch

    task.batch = dying
    with pytest.raises(KeyboardInterrupt):
        train(task, often, tmp_path / "killed", "{}", silent)
    left = load_checkpoint(tmp_path / "killed", "{}", "")
    assert left is not None and left.step == 4
    gone_on = state_after(TASKS[kind], often, tmp_path / "killed", 1)
    assert whole.keys() == gone_on.keys()
    for name, tensor in whole.items():
        assert torch.equal(tensor, gone_on[name]), name


def test_between_checkpoints_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(Diverged):
        train(Line([1.0] * 4 + [float("nan")]), replace(PLAN, steps=3), tmp_path, "{}", silent)
    assert not (tmp_path / FILE).exists()


def test_a_half_written_checkpoint_is_never_loaded(tmp_path: Path) -> None:
    train(TASKS["finetune"](), PLAN, tmp_path, "{}", silent)
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / f"{FILE}.part").write_bytes(whole[:100])
    assert load_checkpoint(tmp_path, "{}", "") is not None
    for damaged in (whole[: len(whole) // 2], whole[:1], b"hello world", b""):
        (tmp_path / FILE).write_bytes(damaged)
        with pytest.raises(BadCheckpoint, match=r"^[^\n]*cannot be read \(damaged.*remove it[^\n]*$"):
            load_checkpoint(tmp_path, "{}", "")


def test_a_disk_that_does_not_take_a_checkpoint_keeps_the_one_before(tmp_path: Path) -> None:
    train(TASKS["finetune"](), replace(PLAN, stop_after=2), tmp_path, "{}", silent)
    size = (tmp_path / FILE).stat().st_size
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, most[1]))
    try:
        with pytest.raises(FolderUnusable, match=r"checkpoint of step 6 cannot be written.*make room"):
            train(TASKS["finetune"](), PLAN, tmp_path, "{}", silent)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
    kept = load_checkpoint(tmp_path, "{}", "")
    assert kept is not None and kept.step == 2


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path: Path) -> None:
    train(TASKS["finetune"](), PLAN, tmp_path, '{"seed": 1}', silent)
    with pytest.raises(BadCheckpoint, match="another configuration"):
        train(TASKS["finetune"](), PLAN, tmp_path, '{"seed": 2}', silent)


def test_a_checkpoint_of_a_run_on_other_data_is_refused(tmp_path: Path) -> None:
    train(TASKS["finetune"](), replace(PLAN, data="these", stop_after=1), tmp_path, "{}", silent)
    with pytest.raises(BadCheckpoint, match=r"run on other data.*another --out"):
        train(TASKS["finetune"](), replace(PLAN, data="those"), tmp_path, "{}", silent)


def test_a_checkpoint_of_a_run_of_more_processes_is_refused(tmp_path: Path) -> None:
    """It went on in silence, with batches that the run had seen or would never have drawn."""
    train(TASKS["finetune"](), replace(PLAN, stop_after=1), tmp_path, "{}", silent)
    checkpoint = load_checkpoint(tmp_path, "{}", "")
    assert checkpoint is not None and checkpoint.processes == 1
    save_checkpoint(tmp_path, replace(checkpoint, processes=2))
    with pytest.raises(BadCheckpoint, match=r"of 2 processes, and 1 process would go on.*start 2 \(torchrun"):
        train(TASKS["finetune"](), PLAN, tmp_path, "{}", silent)


def test_a_checkpoint_that_does_not_fit_the_network_is_refused(tmp_path: Path) -> None:
    train(TASKS["finetune"](), replace(PLAN, stop_after=1), tmp_path, "{}", silent)
    checkpoint = load_checkpoint(tmp_path, "{}", "")
    assert checkpoint is not None
    module = checkpoint.module | {"classifier.weight": checkpoint.module["classifier.weight"][:-1]}
    save_checkpoint(tmp_path, replace(checkpoint, module=module))
    with pytest.raises(BadCheckpoint, match=r"run on other data.*another --out"):
        train(TASKS["finetune"](), PLAN, tmp_path, "{}", silent)


def test_a_resumed_run_says_from_which_step(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "model.training")
    for _ in range(2):
        train(Line([1.0] * 4), replace(PLAN, steps=2, stop_after=1), tmp_path, "{}", silent)
    assert caplog.messages == [f"{tmp_path}: resumed from step 1"]


def test_a_run_tells_every_version_of_the_code_it_went_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It told the one it began with, whatever came after."""
    for version in ("first", "second", "third"):
        monkeypatch.setattr(record, "code_version", lambda version=version: version)
        train(Line([1.0] * 6), replace(PLAN, steps=3, stop_after=1), tmp_path, '{"seed": 1}', silent)
    told = json.loads((tmp_path / CONFIG).read_text())
    steps = [{"step": 0, "version": "first"}, {"step": 1, "version": "second"}, {"step": 2, "version": "third"}]
    assert told == {"config": {"seed": 1}, "code": steps}
    (tmp_path / FILE).unlink()
    train(Line([1.0] * 6), replace(PLAN, steps=3, stop_after=1), tmp_path, '{"seed": 1}', silent)
    assert json.loads((tmp_path / CONFIG).read_text())["code"] == [{"step": 0, "version": "third"}]


def test_figures_of_a_run_killed_before_its_first_checkpoint_are_forgotten(tmp_path: Path) -> None:
    (tmp_path / METRICS).write_text('{"step": 2, "loss": 1.0}\n')
    train(Line([1.0] * 4), replace(PLAN, steps=2), tmp_path, "{}", silent)
    assert [json.loads(line)["step"] for line in (tmp_path / METRICS).read_text().splitlines()] == [2]


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("default")  # the compiler's own
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler, and there is no g++")
def test_compiled_blocks_learn_the_same(tmp_path: Path) -> None:
    plain = state_after(TASKS["finetune"], PLAN, tmp_path / "plain", 1)
    compiled = state_after(TASKS["finetune"], replace(PLAN, compile=True), tmp_path / "compiled", 1)
    assert plain.keys() == compiled.keys()
    for name, tensor in plain.items():
        torch.testing.assert_close(compiled[name], tensor, rtol=0.05, atol=5e-3, msg=name)


class Line:
    """A task with one number to learn, from batches that say what its gradient is."""

    def __init__(self, slopes: list[float]) -> None:
        self.module = _Line()
        self._slopes = slopes

    @property
    def kept(self) -> Vills:
        return small_network()

    def batch(self, step: int, micro: int, device: str) -> Mapping[str, Tensor]:
        return {"slope": torch.tensor(self._slopes[step * 2 + micro], device=device)}

    def optimiser(self) -> Optimizer:
        return SGD([{"params": list(self.module.parameters()), "scale": 0.5}], lr=1.0)

    def before_step(self, step: int) -> None: ...

    def after_step(self, step: int) -> None: ...


class _Line(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(()))

    def forward(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"line": self.value * batch["slope"]}


class Cliff(Line):
    """Its loss is 0 where its slope is infinite."""

    def __init__(self) -> None:
        super().__init__([])
        self.module = _Cliff()

    def batch(self, step: int, micro: int, device: str) -> Mapping[str, Tensor]:
        return {}


class _Cliff(_Line):
    def forward(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"line": self.value.abs().sqrt()}


def test_an_accumulated_step_is_the_mean_of_its_batches_at_the_group_s_rate(tmp_path: Path) -> None:
    task = Line([1.0, 3.0])
    plan = LoopPlan(steps=1, lr=0.1, warmup=1, seed=1, device="cpu", accumulate=2, clip=1e9)
    train(task, plan, tmp_path, "{}", silent)
    assert task.module.value.item() == pytest.approx(-(1.0 + 3.0) / 2 * 0.1 * 0.5)


def test_gradients_are_clipped(tmp_path: Path) -> None:
    task = Line([100.0, 100.0])
    train(task, LoopPlan(steps=1, lr=1.0, warmup=1, seed=1, device="cpu", clip=2.0), tmp_path, "{}", silent)
    assert task.module.value.item() == pytest.approx(-2.0 * 0.5)


def test_a_loss_that_is_no_number_stops_the_run_and_names_step_and_loss(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"at step 1 the losses are line nan.*learning rate"):
        train(Line([1.0, 1.0, float("nan"), 1.0]), replace(PLAN, steps=2), tmp_path, "{}", silent)


def test_a_run_that_has_a_checkpoint_says_where_it_stands(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match="the last checkpoint is from before"):
        train(Line([1.0, 1.0, float("nan"), 1.0]), replace(PLAN, steps=2, save_every_s=0.0), tmp_path, "{}", silent)


def test_a_gradient_that_is_no_number_never_reaches_the_weights(tmp_path: Path) -> None:
    task = Cliff()
    with pytest.raises(Diverged, match=r"at step 0 the gradient's norm is nan.*learning rate.*no checkpoint yet"):
        train(task, replace(PLAN, steps=1), tmp_path, "{}", silent)
    assert torch.isfinite(task.module.value) and not (tmp_path / FILE).exists()
