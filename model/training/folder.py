"""The folder of a run: one process at a time, and what goes wrong on its disk is told."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model.training.errors import FolderInUse, FolderUnusable

LOCK = "lock"


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold a run's folder, which is made. The kernel gives it back when the process is gone, however it went.

    Raises:
        FolderInUse: another process trains there.
        FolderUnusable: the folder cannot be made or written to, or a disk had no room for what the run wrote.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / LOCK).open("w") as file:
            _lock(file.fileno(), folder)
            file.write(f"{os.getpid()}\n")
            file.flush()
            yield
    except OSError as error:
        raise FolderUnusable(
            f"the run in {folder} cannot go on ({error}): give it folders that it may write to, on a disk with room, "
            "with --out and --cache"
        ) from error


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise FolderInUse(f"another process trains in {folder}: wait for its end, or give another --out") from error
