"""One data folder, one service: a lock that the kernel gives back when its holders are gone, however they went."""

import fcntl
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from service.local.errors import FolderInUse, FolderUnusable

DYING_S = 2.0  # how long the last processes of a killed service may take to go


@dataclass(frozen=True, slots=True)
class Holder:
    """Who serves a data folder, as written in its lock file."""

    pid: int
    redis_url: str


class DataFolderLock:
    """Holds `lock` in the data folder.

    The embedded store inherits `fileno`, so that the folder is free only when the store, too, has let go of its files:
    a service started right after the last one was killed waits for that.
    """

    def __init__(self, data_dir: Path, redis_url: str) -> None:
        self._path = data_dir / "lock"
        self._redis_url = redis_url
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the folder, making it (mode 0700) when it is not there.

        Raises:
            FolderInUse: another process serves it.
            FolderUnusable: it cannot be made or written, or is no folder.
        """
        try:
            self._descriptor = self._taken()
        except OSError as error:
            raise _unusable(self._path.parent, error) from error

    def _taken(self) -> int:
        with suppress(FileExistsError):  # of a file in its place the next line tells
            self._path.parent.mkdir(mode=0o700, parents=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._lock(descriptor)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "redis_url": self._redis_url}).encode(), 0)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _lock(self, descriptor: int) -> None:
        waiting = Retrying(
            retry=retry_if_exception_type(BlockingIOError),
            wait=wait_fixed(0.05),
            stop=stop_after_delay(DYING_S),
            reraise=True,
        )
        try:
            waiting(fcntl.flock, descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _in_use(self._path.parent) from error

    def release(self) -> None:
        """Let go of the folder; nothing happens when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @property
    def fileno(self) -> int:
        """The descriptor that carries the lock, to be inherited by whoever must be gone before the folder is free."""
        if self._descriptor is None:
            raise ValueError("the lock is not held: acquire it first")
        return self._descriptor

    def __enter__(self) -> "DataFolderLock":
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def holder_of(data_dir: Path) -> Holder | None:
    """Who serves this folder now; None when nobody does.

    Raises:
        FolderUnusable: this user may not look, or it is no folder.
    """
    path = data_dir / "lock"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(data_dir, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(path)
    finally:
        os.close(descriptor)
    return None


def _read(path: Path) -> Holder | None:
    try:
        written = json.loads(path.read_bytes())
        return Holder(int(written["pid"]), str(written["redis_url"]))
    except (OSError, ValueError, KeyError):
        return None  # taken a moment ago, and not yet written


def _unusable(data_dir: Path, error: OSError) -> FolderUnusable:
    return FolderUnusable(
        f"the data folder {data_dir} cannot be used ({error.strerror}): "
        "set VILLS_DATA_DIR to a folder this user may write"
    )


def _in_use(data_dir: Path) -> FolderInUse:
    holder = _read(data_dir / "lock")
    who, cure = (f"process {holder.pid}", f"kill {holder.pid}") if holder else ("another process", "end it")
    return FolderInUse(
        f"one service serves a data folder, and {data_dir} is in use by {who}: "
        f"stop that ({cure}), or set VILLS_DATA_DIR to another folder"
    )
