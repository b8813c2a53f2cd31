"""The real service: real processes, a real store, a real network where there is one."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from service.client import VillsClient
from service.local.supervisor import LocalService
from service.settings import Settings

SHARED = Path(__file__).parents[3] / "shared"
ONNX = SHARED / "models" / "retail-0248.onnx"
# Small, and without a calibration: every hit is shown, however unlikely.
ENCODER = f"onnx:{ONNX}" if ONNX.exists() else "vills-tiny"
PATIENCE_S = 90.0
Seen = TypeVar("Seen")


def eventually(look: Callable[[], Seen | None]) -> Seen:
    """Look until something is seen, for states that no event tells of; gives up after PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if seen := look():
            return seen
        time.sleep(0.02)
    raise AssertionError(f"not seen within {PATIENCE_S:g} s: {look}")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path / "data",
        port=0,
        encoder=ENCODER,
        threads=1,
        decoders=1,
        redis_url=None,
        lease_s=2.0,
        renew_s=0.5,
        retry_delay_s=0.2,
        drain_s=10.0,
    )


@contextmanager
def running(settings: Settings, *, apis: int = 1, workers: int = 1, restart: bool = True) -> Iterator[LocalService]:
    """A service that is ready; its log lies beside its data."""
    log = settings.data_dir.parent / "service.log"
    with LocalService(settings, apis=apis, workers=workers, restart=restart, log=log) as service:
        assert service.wait_ready(PATIENCE_S)
        yield service


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """The process stands still for as long as the block lasts."""
    os.kill(pid, signal.SIGSTOP)
    try:
        eventually(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)
        yield
    finally:
        if psutil.pid_exists(pid):
            os.kill(pid, signal.SIGCONT)


@pytest.fixture
def client_of() -> Iterator[Callable[[str], VillsClient]]:
    """Makes clients and closes them in the end."""
    clients: list[VillsClient] = []

    def make(base_url: str) -> VillsClient:
        clients.append(VillsClient(base_url, retry_for_s=60.0))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
