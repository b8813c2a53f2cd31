"""Child processes: restarted, ended for good, stopped in order."""

import queue
import signal
import sys
import threading
from pathlib import Path

import psutil
import pytest

from service.local.keeper import Keeper, Program, Restarts

LIVE = "import signal; print('up', flush=True); signal.pause()"
STUBBORN = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\nwhile True: signal.pause()"
)


def program(code: str, log: Path) -> Program:
    return Program("api", [sys.executable, "-c", code], log=log)


def told_end(keeper: Keeper) -> str | None:
    return keeper.last_end


def wait_for_lives(log: Path, lives: int) -> None:
    """Wait until the program has said `up` that often."""
    pause = threading.Event()
    while not log.exists() or log.read_text().count("up") < lives:
        pause.wait(0.02)


def test_a_killed_child_is_started_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    keeper = Keeper(program(LIVE, log), Restarts())
    keeper.start()
    wait_for_lives(log, 1)
    first = keeper.pid
    keeper.send(signal.SIGKILL)
    wait_for_lives(log, 2)
    assert keeper.pid not in (None, first)
    assert told_end(keeper) == "signal SIGKILL"
    keeper.ask_to_stop()
    keeper.wait(5.0)
    assert told_end(keeper) == "signal SIGTERM"
    with pytest.raises(ProcessLookupError, match="no api is running"):
        keeper.send(signal.SIGTERM)


def test_the_pauses_between_lives_grow(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = tmp_path / "log"
    keeper = Keeper(program("print('up', flush=True)", log), Restarts())
    with caplog.at_level("WARNING"):
        keeper.start()
        wait_for_lives(log, 3)
        keeper.ask_to_stop()
        keeper.wait(5.0)
    assert "again in 1 s" in caplog.messages[0]
    assert "again in 2 s" in caplog.messages[1]


@pytest.mark.parametrize(
    ("restarts", "code", "reason"),
    [
        (Restarts(final={3: "another space"}), 3, "another space"),
        (Restarts(enabled=False), 1, "the api ended (exit code 1)"),
    ],
)
def test_an_end_that_is_final_is_told_and_not_cured(tmp_path: Path, restarts: Restarts, code: int, reason: str) -> None:
    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    log = tmp_path / "log"
    child = program(f"import sys; print('up'); sys.exit({code})", log)
    keeper = Keeper(child, restarts, told.put)
    keeper.start()
    assert told.get(timeout=20.0) == reason
    keeper.wait(5.0)
    assert told.empty()
    assert log.read_text() == "up\n"


def test_a_child_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    keeper = Keeper(program(STUBBORN, log), Restarts())
    keeper.start()
    wait_for_lives(log, 1)
    keeper.ask_to_stop()
    keeper.wait(0.1)
    assert told_end(keeper) == "signal SIGKILL"


def test_a_keeper_that_never_started_can_be_stopped(tmp_path: Path) -> None:
    keeper = Keeper(program(LIVE, tmp_path / "log"), Restarts())
    keeper.ask_to_stop()
    keeper.wait(1.0)
    keeper.start()
    keeper.wait(1.0)
    assert keeper.pid is None
    assert not (tmp_path / "log").exists()


def test_a_child_is_a_group_of_its_own(tmp_path: Path) -> None:
    """A terminal's Ctrl-C goes to the whole foreground group, and the store must not be among the first to hear it."""
    log = tmp_path / "log"
    keeper = Keeper(
        program("import os; print('up', os.getpgid(0), flush=True); os.read(0, 1); " + LIVE, log), Restarts()
    )
    keeper.start()
    wait_for_lives(log, 2)
    assert log.read_text().split()[1] == str(keeper.pid)
    assert keeper.pid is not None
    assert psutil.Process(keeper.pid).ppid() == psutil.Process().pid
    keeper.ask_to_stop()
    keeper.wait(5.0)
