"""Keeps one child process running: starts it tethered, waits for its end, starts it again."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

logger = logging.getLogger(__name__)

TETHER = Path(__file__).with_name("tether.py")
LONGEST_PAUSE_S = 30.0
HEALTHY_S = 60.0  # a child that lived this long starts again at once, as if it had never died


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. Its own process group: a terminal's Ctrl-C reaches the supervisor alone, which stops in order."""

    role: str  # store, api, worker
    command: Sequence[str]  # the first is a whole path
    environment: Mapping[str, str] | None = None  # None: that of this process
    log: Path | None = None  # standard output and error are appended here; None: those of this process
    inherit: tuple[int, ...] = ()  # descriptors that stay open in the child


@dataclass(frozen=True, slots=True)
class Restarts:
    """Whether a dead child is started again, and which exit codes end it for good: code -> why."""

    enabled: bool = True
    final: Mapping[int, str] = field(default_factory=dict)


class Keeper:
    """One program, kept running by one thread until `stop`.

    The thread starts the child and waits for it, so it lives as long as the child does: the tether (see `tether.py`)
    is tied to the starting thread. `ended` is called once, with the reason, when the child will not be started again.
    """

    def __init__(
        self, program: Program, restarts: Restarts, ended: Callable[[str], None] = lambda reason: None
    ) -> None:
        self.program = program
        self.last_end: str | None = None  # how the child last ended, in words; None: it never did
        self._restarts = restarts
        self._ended = ended
        self._guard = threading.Lock()  # between deciding to start a child and knowing it
        self._stopping = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name=f"keep-{program.role}", daemon=True)

    @property
    def pid(self) -> int | None:
        """Process id of the running child; None when there is none."""
        child = self._child
        return child.pid if child is not None and child.poll() is None else None

    def start(self) -> None:
        self._thread.start()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the running child, and after SIGKILL wait until it is gone.

        Raises:
            ProcessLookupError: there is none.
        """
        child = self._child
        if child is None or child.poll() is not None:
            raise ProcessLookupError(f"no {self.program.role} is running")
        child.send_signal(number)
        if number == signal.SIGKILL:
            child.wait()

    def ask_to_stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Start the child no more, and send it the signal. Returns at once."""
        with self._guard:
            self._stopping.set()
            if self._child is not None:
                self._child.send_signal(number)

    def wait(self, timeout_s: float) -> None:
        """Wait until the child, having been asked to stop, is gone; kill it after `timeout_s`."""
        if self._thread.ident is None:
            return
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            logger.warning("%s did not stop within %g s: killed", self.program.role, timeout_s)
            self.ask_to_stop(signal.SIGKILL)
            self._thread.join()

    def _run(self) -> None:
        pause_s = 1.0
        while True:
            started = time.monotonic()
            code = self._live()
            if code is None:
                return
            self.last_end = told(code)
            if self._stopping.is_set():
                return
            reason = self._final(code)
            if reason is not None:
                self._ended(reason)
                return
            pause_s = 1.0 if time.monotonic() - started >= HEALTHY_S else pause_s
            logger.warning("%s ended (%s): starting it again in %g s", self.program.role, self.last_end, pause_s)
            if self._stopping.wait(pause_s):
                return
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _live(self) -> int | None:
        """One life of the child: its exit code, or None when it was not to be started."""
        with self._guard:
            if self._stopping.is_set():
                return None
            self._child = _spawn(self.program)
        return self._child.wait()

    def _final(self, code: int) -> str | None:
        """Why the child is not started again; None when it is."""
        if code in self._restarts.final:
            return self._restarts.final[code]
        return None if self._restarts.enabled else f"the {self.program.role} ended ({told(code)})"


def told(code: int) -> str:
    """An exit code in words."""
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _spawn(program: Program) -> subprocess.Popen[bytes]:
    output: IO[bytes] | None = program.log.open("ab") if program.log else None
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), *program.command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=program.environment,
            pass_fds=program.inherit,
            process_group=0,
            umask=0o077,
        )
    finally:
        if output is not None:
            output.close()
