"""One data folder, one service."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from service.local.errors import FolderInUse, FolderUnusable
from service.local.lock import DataFolderLock, Holder, holder_of
from service.local.valkey import EmbeddedStore

HOLD = (
    "import sys, pathlib, signal; from service.local.lock import DataFolderLock\n"
    "lock = DataFolderLock(pathlib.Path(sys.argv[1]), 'unix:///there'); lock.acquire()\n"
    "print('held', flush=True); signal.pause()"
)


def test_the_holder_is_known_while_it_holds(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    assert holder_of(folder) is None
    with DataFolderLock(folder, "unix:///a/socket"):
        assert holder_of(folder) == Holder(os.getpid(), "unix:///a/socket")
        assert stat.S_IMODE((folder / "lock").stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert holder_of(folder) is None


def test_a_second_one_is_told_who_and_what_to_do(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as first:
        assert first.stdout is not None and first.stdout.readline() == b"held\n"
        with pytest.raises(FolderInUse, match=rf"in use by process {first.pid}.*kill {first.pid}.*VILLS_DATA_DIR"):
            DataFolderLock(tmp_path, "").acquire()
        first.send_signal(signal.SIGKILL)
        first.wait()
    with DataFolderLock(tmp_path, ""):
        assert holder_of(tmp_path) == Holder(os.getpid(), "")


@pytest.mark.parametrize("place", ["file", "file/below", "folder"])
def test_a_folder_that_cannot_be_used_is_told_with_its_cure(tmp_path: Path, place: str) -> None:
    """Bug: a data folder that was a file, read-only or another user's ended `vills up` in a raw traceback."""
    (tmp_path / "file").touch()
    (tmp_path / "folder" / "lock").mkdir(parents=True)  # cannot be opened for writing by anybody, root included
    told = rf"the data folder {tmp_path / place} cannot be used \(\w.*\): set VILLS_DATA_DIR to a folder"
    with pytest.raises(FolderUnusable, match=told):
        DataFolderLock(tmp_path / place, "").acquire()


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_is_told_with_its_cure(tmp_path: Path) -> None:
    """Bug: the same, for a folder without the right to write."""
    tmp_path.chmod(0o500)
    with pytest.raises(FolderUnusable, match="Permission denied"):
        DataFolderLock(tmp_path, "").acquire()


def test_who_serves_what_is_no_folder_cannot_be_said(tmp_path: Path) -> None:
    """Bug: `vills keys list` with a file for a data folder ended in a raw traceback."""
    (tmp_path / "file").touch()
    with pytest.raises(FolderUnusable, match=r"Not a directory.*VILLS_DATA_DIR"):
        holder_of(tmp_path / "file")


def test_releasing_twice_or_never_having_held_does_nothing(tmp_path: Path) -> None:
    lock = DataFolderLock(tmp_path, "")
    lock.release()
    lock.acquire()
    lock.release()
    lock.release()
    with pytest.raises(ValueError, match="acquire it first"):
        _ = lock.fileno


def test_a_store_that_still_runs_keeps_the_folder(tmp_path: Path) -> None:
    """Two servers on one append-only file would ruin it, so the store holds the lock for as long as it lives."""
    lock = DataFolderLock(tmp_path, "")
    lock.acquire()
    with EmbeddedStore(tmp_path, inherit=(lock.fileno,)):
        lock.release()
        assert holder_of(tmp_path) is not None
        with pytest.raises(FolderInUse):
            DataFolderLock(tmp_path, "").acquire()
    with DataFolderLock(tmp_path, ""):
        pass
