"""The embedded store: durable settings, a private socket, and a life tied to ours."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import redis

from service.local.errors import StoreNotStarted
from service.local.valkey import LONGEST_SOCKET_PATH, EmbeddedStore, socket_path


def connect(store: EmbeddedStore) -> "redis.Redis":
    return redis.Redis.from_url(store.url)


def test_it_is_durable_and_listens_on_nothing_but_its_socket(tmp_path: Path) -> None:
    with EmbeddedStore(tmp_path) as store, connect(store) as connection:
        told = connection.config_get()
        assert told["appendonly"] == "yes"
        assert told["appendfsync"] == "always"
        assert told["aof-use-rdb-preamble"] == "yes"
        assert told["save"] == ""
        assert told["maxmemory-policy"] == "noeviction"
        assert store.pid is not None
        listening = [c for c in psutil.Process(store.pid).net_connections("inet") if c.status == "LISTEN"]
        assert listening == []
        assert connection.execute_command("WAITAOF", 1, 0, 1000)[0] == 1


def test_only_its_owner_can_open_what_it_makes(tmp_path: Path) -> None:
    with EmbeddedStore(tmp_path) as store, connect(store) as connection:
        connection.set("a", "b")
    for path in [tmp_path / "store", *(tmp_path / "store").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_was_written_is_there_after_the_server_ended(tmp_path: Path, number: signal.Signals) -> None:
    with EmbeddedStore(tmp_path, restart=False) as store, connect(store) as connection:
        connection.set("written", "yes")
        store.keeper.ask_to_stop(number)
        store.keeper.wait(5.0)
        assert store.pid is None
    with EmbeddedStore(tmp_path) as store, connect(store) as connection:
        assert connection.get("written") == b"yes"


def test_a_killed_server_is_started_again(tmp_path: Path) -> None:
    with EmbeddedStore(tmp_path) as store, connect(store) as connection:
        connection.set("written", "yes")
        first = store.pid
        store.keeper.send(signal.SIGKILL)
        store.wait_ready(10.0)
        assert connection.get("written") == b"yes"
        assert store.pid not in (None, first)


def test_a_path_too_long_for_a_socket_is_served_from_a_private_folder(tmp_path: Path) -> None:
    folder = tmp_path / ("a folder with a long name " * 5)
    folder.mkdir()
    socket = socket_path(folder)
    assert folder not in socket.parents
    assert len(os.fsencode(socket)) <= LONGEST_SOCKET_PATH
    with EmbeddedStore(folder) as store, connect(store) as connection:
        connection.set("written", "yes")
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    assert not socket.parent.exists()
    with EmbeddedStore(folder) as store, connect(store) as connection:
        assert connection.get("written") == b"yes"


def test_a_folder_that_is_not_ours_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    folder = tmp_path / ("x" * 120)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    socket_path(folder).parent.symlink_to(elsewhere)
    with pytest.raises(StoreNotStarted, match="must be ours"):
        EmbeddedStore(folder).start()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with EmbeddedStore(tmp_path) as store, connect(store) as connection:
        connection.set("written", "yes")
    manifest = tmp_path / "store" / "appendonlydir" / "appendonly.aof.manifest"
    manifest.write_text("nonsense\n")
    with pytest.raises(StoreNotStarted, match=r"(?s)ended \(exit code 1\).*manifest"):
        EmbeddedStore(tmp_path).start()


def test_the_server_dies_with_its_starter(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib, signal; from service.local.valkey import EmbeddedStore\n"
        "store = EmbeddedStore(pathlib.Path(sys.argv[1])); store.start(); print(store.pid, flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        server = psutil.Process(int(starter.stdout.readline()))
        starter.kill()
        psutil.wait_procs([server], timeout=10)
        assert not server.is_running()
