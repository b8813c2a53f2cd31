"""Several processes, each with a device of its own: what makes batches is told which, by number."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

from model.training.distributed import first_says
from model.training.errors import BadConfig
from model.training.place import RunPlace, ready


@pytest.fixture
def second_of_torchrun(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the second process on a machine with two GPUs is told by its surroundings; the calls it makes of torch."""
    calls: list[str] = []
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "run")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: calls.append(f"device {device}"))
    monkeypatch.setattr(dist, "init_process_group", lambda backend, timeout: calls.append(f"{backend} for {timeout}"))
    monkeypatch.setattr(dist, "destroy_process_group", lambda: calls.append("left"))
    return calls


def place(folder: Path, device: str) -> RunPlace:
    return RunPlace(out=folder, cache=folder, data={}, device=device)


def test_each_process_of_a_machine_is_given_the_device_of_its_own(
    second_of_torchrun: list[str], tmp_path: Path
) -> None:
    """`cuda` alone was device 0 in the thread that makes batches, whichever the process had set in its first one."""
    with ready(place(tmp_path, "cuda")) as own:
        assert own.device == "cuda:1"
    assert second_of_torchrun == ["device cuda:1", "nccl for 1 day, 0:00:00", "left"]


def test_processes_on_a_cpu_share_it(second_of_torchrun: list[str], tmp_path: Path) -> None:
    with ready(place(tmp_path, "cpu")) as own:
        assert own.device == "cpu"
    assert second_of_torchrun == ["gloo for 1 day, 0:00:00", "left"]


def test_more_processes_than_devices_are_refused(
    second_of_torchrun: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with (
        pytest.raises(BadConfig, match=r"started process 1 .* of the 1 here: --nproc-per-node 1"),
        ready(place(tmp_path, "cuda")),
    ):
        pass
    assert second_of_torchrun == []


def test_a_run_alone_keeps_its_device(tmp_path: Path) -> None:
    with ready(place(tmp_path, "cuda")) as own:
        assert own.device == "cuda"


def say(rank: int, meeting: str) -> None:
    """One of two processes; both choose, each something else."""
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    try:
        assert first_says(rank == 0, "cpu") is True
        assert first_says(rank == 1, "cpu") is False
    finally:
        dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_first_process_chooses_for_all(tmp_path: Path) -> None:
    """Each looked at its own clock for whether a checkpoint was due."""
    spawn(say, (str(tmp_path / "meeting"),), nprocs=2)  # type: ignore[no-untyped-call]  # torch has no types for it
    assert first_says(True, "cpu") and not first_says(False, "cpu")
