"""A service to measure: its own folder, port and processes, and what those processes cost."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from service.local.supervisor import LocalService
from service.settings import Settings

START_TIMEOUT_S = 120.0


@contextmanager
def measured_service(settings: Settings, *, workers: int = 1, restart: bool = False) -> Iterator[LocalService]:
    """A fresh service on free loopback ports; its processes write their log into the temporary folder."""
    with tempfile.TemporaryDirectory(prefix="vills-bench-") as folder:
        own = settings.model_copy(
            update={"data_dir": Path(folder), "host": "127.0.0.1", "port": 0, "redis_url": None, "media_url": None}
        )
        with LocalService(own, workers=workers, restart=restart, log=Path(folder) / "service.log") as service:
            yield service


@dataclass(frozen=True, slots=True)
class ProcessorTime:
    """Processor seconds used so far, by part of the service."""

    api: float
    api_decoders: float
    store: float
    worker: float
    worker_decoders: float

    def __sub__(self, earlier: "ProcessorTime") -> "ProcessorTime":
        return ProcessorTime(
            self.api - earlier.api,
            self.api_decoders - earlier.api_decoders,
            self.store - earlier.store,
            self.worker - earlier.worker,
            self.worker_decoders - earlier.worker_decoders,
        )

    @property
    def total(self) -> float:
        return self.api + self.api_decoders + self.store + self.worker + self.worker_decoders


def processor_time(service: LocalService) -> ProcessorTime:
    """What every process of the service has used since it started."""
    api, api_children = _seconds(service.pids["api"])
    worker, worker_children = _seconds(service.pids["worker"])
    store, _ = _seconds(service.pids["store"])
    return ProcessorTime(api, api_children, store, worker, worker_children)


def _seconds(pids: list[int]) -> tuple[float, float]:
    own = children = 0.0
    for pid in pids:
        process = psutil.Process(pid)
        own += sum(process.cpu_times()[:2])
        children += sum(sum(child.cpu_times()[:2]) for child in process.children(recursive=True))
    return own, children
