"""`vills keys` and `vills check` against a real store."""

import asyncio
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from index.records.api_keys import ApiKeys
from index.records.connection import connect
from index.records.processes import Processes, ProcessReport
from service.commands.main import main
from service.local.lock import DataFolderLock
from service.local.valkey import EmbeddedStore


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedStore]:
    """The embedded store of a data folder that is served, as far as the command line can see."""
    monkeypatch.setenv("VILLS_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("VILLS_REDIS_URL", raising=False)
    embedded = EmbeddedStore(tmp_path)
    with DataFolderLock(tmp_path, embedded.url), embedded:
        yield embedded


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    code = caught.value.code
    return code if isinstance(code, int) else 0


def verified(url: str, token: str) -> bool:
    async def ask() -> bool:
        redis = await connect(url)
        try:
            return await ApiKeys(redis).verify(token) is not None
        finally:
            await redis.aclose()

    return asyncio.run(ask())


def test_a_key_is_made_listed_and_revoked(store: EmbeddedStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("keys", "create", "front desk", "--scope", "query", "--scope", "ingest") == 0
    token = capsys.readouterr().out.strip()
    assert verified(store.url, token)
    assert run("keys", "list") == 0
    (line,) = capsys.readouterr().out.splitlines()
    key_id = line.split()[0]
    assert "front desk" in line and "ingest,query" in line
    assert token not in line and token.startswith(f"vills_{key_id}_")
    assert run("keys", "revoke", key_id) == 0
    assert not verified(store.url, token)
    assert run("keys", "revoke", key_id) == 2


def test_the_settings_server_goes_before_the_embedded_one(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VILLS_DATA_DIR", str(tmp_path / "another"))
    assert run("check", "redis") == 1
    assert "no `vills up` serves" in capsys.readouterr().err
    monkeypatch.setenv("VILLS_REDIS_URL", store.url)
    assert run("check", "redis") == 0


def test_a_store_that_may_lose_writes_is_not_well(store: EmbeddedStore, capsys: pytest.CaptureFixture[str]) -> None:
    async def weaken() -> None:
        redis = await connect(store.url)
        await redis.config_set("appendfsync", "everysec")
        await redis.aclose()

    assert run("check", "redis") == 0
    asyncio.run(weaken())
    assert run("check", "redis") == 1
    assert "everysec" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("host", "ready", "code", "message"),
    [
        (socket.gethostname(), True, 0, ""),
        (socket.gethostname(), False, 1, "reports that it is not ready"),
        ("elsewhere", True, 1, "no worker of"),
    ],
)
def test_a_worker_is_well_when_it_says_so(
    store: EmbeddedStore, capsys: pytest.CaptureFixture[str], host: str, ready: bool, code: int, message: str
) -> None:
    async def publish() -> None:
        redis = await connect(store.url)
        report = ProcessReport(f"worker-{host}-1-abcd", "worker", "s", 0, 0, ready, "", 0)
        await Processes(redis).publish(report, ttl_s=60)
        await redis.aclose()

    asyncio.run(publish())
    assert run("check", "worker") == code
    assert message in capsys.readouterr().err


class Api(BaseHTTPRequestHandler):
    """Lives, but is not ready."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 503)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_an_api_is_well_when_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with HTTPServer(("127.0.0.1", 0), Api) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("VILLS_PORT", str(server.server_port))
        try:
            assert run("check", "api") == 0
            assert run("check", "api", "--ready") == 1
        finally:
            server.shutdown()
            thread.join()
    assert run("check", "api") == 1
