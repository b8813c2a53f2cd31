"""The whole service on one machine: the store, apis and workers as child processes, started, watched and stopped."""

import signal
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Literal

from service.client import VillsClient, VillsError
from service.local.environment import environment_for
from service.local.errors import ServiceStopped
from service.local.keeper import Keeper, Program, Restarts
from service.local.lock import DataFolderLock
from service.local.ports import reachable_url, take_ports
from service.local.valkey import EmbeddedStore, store_url
from service.settings import Settings

Role = Literal["store", "api", "worker"]

# Exit codes that starting again cannot cure. The process itself has written why.
WRONG_SETTING, OTHER_SPACE = 2, 3
FINAL = {
    "api": {WRONG_SETTING: "the api cannot run with these settings: its own message is above"},
    "worker": {
        WRONG_SETTING: "the worker cannot run with these settings: its own message is above",
        OTHER_SPACE: "the worker's encoder is not the one this gallery was made with (its own message is above): "
        "set VILLS_ENCODER and VILLS_WEIGHTS back, or open a new, empty gallery beside it with --new-space",
    },
}
GRACE_S = 5.0  # beyond `drain_s`, before a process that does not stop is killed
LOOK_AGAIN_S = 0.25


class LocalService:
    """Store, apis and workers of one data folder, as real processes that die with this one.

    The first api listens on the settings' port, the others on free ones. With `restart` a process that dies is started
    again; without, it stays dead, and one that dies unasked ends the service. `log` takes the processes' output.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        apis: int = 1,
        workers: int = 1,
        restart: bool = True,
        log: Path | None = None,
    ) -> None:
        self.settings = settings
        self.redis_url = settings.redis_url or store_url(settings.data_dir)
        self.base_urls: list[str] = []
        self.failure: str | None = None
        self._numbers = {"api": apis, "worker": workers}
        self._restart = restart
        self._log = log
        self._lock = DataFolderLock(settings.data_dir, self.redis_url)
        self._store: EmbeddedStore | None = None
        self._keepers: dict[str, list[Keeper]] = {"api": [], "worker": []}
        self._over = threading.Event()
        self._patience_s = settings.drain_s + GRACE_S

    @property
    def base_url(self) -> str:
        """Address of the first api."""
        return self.base_urls[0]

    @property
    def pids(self) -> dict[Role, list[int]]:
        """Process ids of what runs now, by role."""
        store = [] if self._store is None else [self._store.keeper]
        return {
            "store": [keeper.pid for keeper in store if keeper.pid],
            "api": [keeper.pid for keeper in self._keepers["api"] if keeper.pid],
            "worker": [keeper.pid for keeper in self._keepers["worker"] if keeper.pid],
        }

    def start(self) -> None:
        """Lock the folder, start the store and then everything else; `wait_ready` says when it serves.

        Raises:
            LocalError: the folder or the port is in use, or the store does not come up.
        """
        self._lock.acquire()
        try:
            ports = take_ports(self.settings.host, [self.settings.port] + [0] * (self._numbers["api"] - 1))
            if self.settings.redis_url is None:
                self._store = EmbeddedStore(self.settings.data_dir, restart=self._restart, inherit=(self._lock.fileno,))
                self._store.start()
            for port in ports:
                self._add("api", port)
            for _ in range(self._numbers["worker"]):
                self.add_worker()
        except BaseException:
            self.stop()
            raise

    def add_worker(self) -> int:
        """Start one more worker; its index."""
        return self._add("worker", self.settings.port)

    def wait_ready(self, timeout_s: float | None = None) -> bool:
        """Wait until all processes run and every api answers queries; False when it was asked to stop meanwhile.

        What a worker said of itself counts for ten seconds, also when it has died since: after a `kill`, an api may
        say that it is ready while the queries it takes still wait for the next worker.

        Raises:
            ServiceStopped: a process ended for good.
            TimeoutError: not ready after `timeout_s` seconds, with the reasons the api gives.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        for url in list(self.base_urls):
            with VillsClient(url, timeout_s=5.0, retry_for_s=0.0) as client:
                while (reasons := self._missing() or _reasons(client)) is not None:
                    if self._over.wait(LOOK_AGAIN_S):
                        return self._raise_failure()
                    if deadline is not None and time.monotonic() >= deadline:
                        raise TimeoutError(f"{url} is not ready after {timeout_s:g} s: {reasons}")
        return True

    def wait(self) -> None:
        """Wait until `request_stop`, or until a process ended for good.

        Raises:
            ServiceStopped: a process ended for good.
        """
        self._over.wait()
        self._raise_failure()

    def request_stop(self) -> None:
        """Let `wait` and `wait_ready` return. For any thread, but no signal handler."""
        self._over.set()

    def kill(self, role: Role, number: signal.Signals = signal.SIGKILL, index: int = 0) -> None:
        """Send a signal to one process; one that is killed is gone when this returns.

        Without `restart`, a process that was killed or stopped here may stay dead.

        Raises:
            ProcessLookupError: it is not running.
        """
        keeper = self._keeper(role, index)
        if self._restart or number not in (signal.SIGKILL, signal.SIGTERM):
            keeper.send(number)
        else:
            keeper.ask_to_stop(number)
            keeper.wait(self._patience_s)

    def kill_all(self) -> None:
        """Kill every process at once, as a power cut would; `stop` then has nothing to wait for."""
        for keeper in self._all():
            keeper.ask_to_stop(signal.SIGKILL)

    def stop(self) -> None:
        """Stop the apis, then the workers, each after what it has begun, then the store; and free the folder."""
        self._over.set()
        for role in ("api", "worker"):
            for keeper in self._keepers[role]:
                keeper.ask_to_stop()
            for keeper in self._keepers[role]:
                keeper.wait(self._patience_s)
        if self._store is not None:
            self._store.stop()
        self._lock.release()

    def __enter__(self) -> "LocalService":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _add(self, role: Literal["api", "worker"], port: int) -> int:
        settings = self.settings.model_copy(update={"redis_url": self.redis_url, "port": port})
        command = [sys.executable, "-m", "service.commands.main", role]
        program = Program(role, command, environment_for(settings), log=self._log)
        restarts = Restarts(enabled=self._restart, final=FINAL[role])
        keeper = Keeper(program, restarts, self._fail)
        if role == "api":
            self.base_urls.append(reachable_url(settings.host, port))
        self._keepers[role].append(keeper)
        keeper.start()
        return len(self._keepers[role]) - 1

    def _missing(self) -> str | None:
        """Roles of which a process is to be started again and does not run yet."""
        missing = sorted({keeper.program.role for keeper in self._all() if keeper.pid is None})
        return f"{' and '.join(missing)} not running" if missing and self._restart else None

    def _fail(self, reason: str) -> None:
        self.failure = self.failure or reason
        self._over.set()

    def _raise_failure(self) -> Literal[False]:
        if self.failure is not None:
            raise ServiceStopped(self.failure)
        return False

    def _keeper(self, role: Role, index: int) -> Keeper:
        if role != "store":
            return self._keepers[role][index]
        if self._store is None:
            raise ProcessLookupError("the store is not ours: VILLS_REDIS_URL names it")
        return self._store.keeper

    def _all(self) -> list[Keeper]:
        store = [] if self._store is None else [self._store.keeper]
        return [*self._keepers["api"], *self._keepers["worker"], *store]


def _reasons(client: VillsClient) -> str | None:
    """Why an api is not ready, in words; None when it is."""
    try:
        state = client.ready()
    except VillsError as error:
        return error.detail
    return None if state.ready else "; ".join(state.reasons) or "it does not say why"
