"""The folder of a run: one process at a time, and a disk's faults are told."""

from pathlib import Path

import pytest

from model.training.errors import FolderInUse, FolderUnusable
from model.training.folder import claimed


def test_a_folder_is_for_one_run_at_a_time(tmp_path: Path) -> None:
    with (
        claimed(tmp_path / "run"),
        pytest.raises(FolderInUse, match=r"another process trains in .*run: wait.*--out"),
        claimed(tmp_path / "run"),
    ):
        raise AssertionError("two runs write one checkpoint")
    with claimed(tmp_path / "run"):
        assert (tmp_path / "run").is_dir()


def test_a_folder_that_cannot_be_made_is_told_with_its_cure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for place in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(FolderUnusable, match=r"cannot go on .*--out and --cache"), claimed(place):
            raise AssertionError("it is a file")


def test_a_disk_that_is_full_in_the_middle_is_told_with_its_cure(tmp_path: Path) -> None:
    with pytest.raises(FolderUnusable, match=r"No space left.*room"), claimed(tmp_path):
        raise OSError(28, "No space left on device")
