"""`vills up` and `LocalService` with real processes: ready, restarted, refused, stopped, and nothing left behind."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from model.vills.trained import trained_weights
from model.weights import load_weights
from service.client import VillsClient
from service.local.errors import FolderInUse, PortInUse
from service.local.lock import holder_of
from service.local.supervisor import LocalService
from service.local.valkey import EmbeddedStore
from service.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ONNX = Path(__file__).parents[3] / "shared" / "models" / "retail-0248.onnx"
ENCODER = f"onnx:{ONNX}" if ONNX.exists() else "vills-tiny"


def settings(folder: Path) -> Settings:
    return Settings(data_dir=folder / "data", port=0, encoder=ENCODER, threads=1, decoders=1, redis_url=None)


@contextmanager
def vills_up(folder: Path, *more: str) -> Iterator["subprocess.Popen[str]"]:
    """`vills up` as a person starts it; killed in the end if it still runs."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VILLS_")}
    command = [sys.executable, "-m", "service.commands.main", "up", "--data-dir", str(folder / "data")]
    with (folder / "up.log").open("a") as log:
        process = subprocess.Popen(
            [*command, "--port", "0", "--encoder", ENCODER, *more],
            env=environment | {"VILLS_THREADS": "1", "VILLS_DECODERS": "1"},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        with process:
            yield process
            process.kill()
    finally:
        process.kill()


def first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def family(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def test_up_says_where_it_is_and_stops_in_order(tmp_path: Path) -> None:
    with vills_up(tmp_path) as process:
        line = first_line(process)
        told = re.match(
            r"ready on (http://127\.0\.0\.1:\d+) \(encoder (\S+), (trained|UNTRAINED).*, weights: .+\)", line
        )
        assert told, line + (tmp_path / "up.log").read_text()
        with VillsClient(told[1]) as vills:
            assert vills.ready().ready
            assert vills.version().encoder == told[2]
        children = family(process.pid)
        assert len(children) >= 3
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
        assert psutil.wait_procs(children, timeout=0)[1] == []
    assert holder_of(tmp_path / "data") is None


def test_it_says_once_what_the_weights_of_the_default_encoder_may_be_used_for(tmp_path: Path) -> None:
    default = str(Settings.model_fields["encoder"].default)
    file = trained_weights(default)
    assert file is not None
    origin = load_weights(file).origin
    with vills_up(tmp_path, "--encoder", default) as process:
        line = first_line(process)
        with VillsClient(line.split()[2]) as vills:
            version = vills.version()
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
        assert process.stdout is not None and process.stdout.read() == "stopping\n"
    terms = f"weights: {origin.licence}, trained on: {origin.training_data}"
    assert line.endswith(f"(encoder {default}, trained, {terms})\n")
    assert (version.encoder, version.trained) == (default, True)
    assert (version.licence, version.training_data) == (origin.licence, origin.training_data)
    logged = [each for each in (tmp_path / "up.log").read_text().splitlines() if origin.training_data in each]
    assert len(logged) == 1 and origin.licence in logged[0]


def test_nothing_outlives_a_killed_supervisor_and_the_folder_is_free_again(tmp_path: Path) -> None:
    with vills_up(tmp_path) as process:
        assert first_line(process).startswith("ready on")
        children = family(process.pid)
        process.kill()
        process.wait()
        assert psutil.wait_procs(children, timeout=20)[1] == []
    with vills_up(tmp_path) as process:
        assert first_line(process).startswith("ready on")


def test_a_second_up_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with LocalService(settings(tmp_path), workers=0, apis=0):
        with pytest.raises(FolderInUse), LocalService(settings(tmp_path)):
            pass
        with vills_up(tmp_path) as second:
            assert second.wait(60) == 2
    lines = (tmp_path / "up.log").read_text().splitlines()
    assert len(lines) == 1
    assert re.match(rf"vills: .*in use by process {os.getpid()}.*VILLS_DATA_DIR", lines[0])


def test_a_port_in_use_is_refused_and_nothing_is_left_running(tmp_path: Path) -> None:
    before = psutil.Process().children()  # other tests' stores
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = settings(tmp_path).model_copy(update={"port": other.getsockname()[1]})
        with pytest.raises(PortInUse), LocalService(taken):
            pass
    assert psutil.Process().children() == before
    assert holder_of(tmp_path / "data") is None


def test_an_encoder_that_does_not_exist_ends_up_instead_of_being_tried_for_ever(tmp_path: Path) -> None:
    with vills_up(tmp_path, "--encoder", "no-such-encoder") as process:
        assert process.wait(120) == 2
    log = (tmp_path / "up.log").read_text()
    assert "no-such-encoder" in log
    assert log.splitlines()[-1].startswith("vills: the worker cannot run with these settings")


def test_another_encoder_ends_up_with_its_cure(tmp_path: Path) -> None:
    with vills_up(tmp_path) as process:
        assert first_line(process).startswith("ready on")
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 0
    with vills_up(tmp_path, "--encoder", "vills-tiny" if ENCODER != "vills-tiny" else "vills-small") as process:
        assert process.wait(120) == 2
    assert "--new-space" in (tmp_path / "up.log").read_text().splitlines()[-1]


def test_whoever_is_killed_is_started_again(tmp_path: Path) -> None:
    with LocalService(settings(tmp_path), log=tmp_path / "log") as service:
        assert service.wait_ready(120)
        for role in ("worker", "api", "store"):
            (before,) = service.pids[role]
            service.kill(role)
            assert not psutil.pid_exists(before)
            assert service.wait_ready(120)
            (after,) = service.pids[role]
            assert after != before
    assert service.pids == {"store": [], "api": [], "worker": []}


def test_several_apis_and_workers_serve_one_gallery(tmp_path: Path) -> None:
    with LocalService(settings(tmp_path), apis=2, workers=2, restart=False, log=tmp_path / "log") as service:
        assert service.wait_ready(120)
        assert len(set(service.base_urls)) == 2
        assert [len(service.pids[role]) for role in ("store", "api", "worker")] == [1, 2, 2]
        service.kill("worker", index=1)
        assert len(service.pids["worker"]) == 1
        assert service.add_worker() == 2
        assert service.wait_ready(120)
        for url in service.base_urls:
            with VillsClient(url) as vills:
                assert vills.ready().ready


def test_a_signal_during_the_start_stops_it_in_order(tmp_path: Path) -> None:
    with vills_up(tmp_path) as process:
        while holder_of(tmp_path / "data") is None:
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
        assert process.stdout is not None and process.stdout.read() == "stopping\n"
    assert holder_of(tmp_path / "data") is None


def test_a_server_of_ones_own_takes_the_place_of_the_embedded_one(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    with EmbeddedStore(tmp_path / "own") as own:
        outside = settings(tmp_path).model_copy(update={"redis_url": own.url})
        with LocalService(outside, workers=0, log=tmp_path / "log") as service:
            with pytest.raises(TimeoutError, match="no worker"):
                service.wait_ready(5)
            assert service.pids["store"] == []
            assert len(service.pids["api"]) == 1
            with pytest.raises(ProcessLookupError, match="not ours"):
                service.kill("store")
        assert own.pid is not None
    assert not (tmp_path / "data" / "store").exists()
