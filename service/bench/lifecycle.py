"""Starting, resting and recovering: seconds until ready, memory of the api, and what a killed worker costs."""

import signal
import time
from pathlib import Path

import httpx
import psutil

from service.bench.report import Report
from service.bench.service import START_TIMEOUT_S, measured_service
from service.client import VillsClient
from service.settings import Settings

MOST_API_READY_S, MOST_API_MB, MOST_UP_READY_S, MOST_RECOVERY_S = 1.5, 120.0, 15.0, 30.0
LOOK_AGAIN_S = 0.01


def measure_start(settings: Settings, rounds: int, report: Report) -> None:
    """Seconds until the api answers and until the whole service is ready, with an empty gallery; memory of the api."""
    api_ready, up_ready, memory = [], [], []
    for _ in range(rounds):
        begun = time.perf_counter()
        with measured_service(settings) as service:
            started = time.perf_counter()
            _wait_alive(service.base_url)
            api_ready.append(time.perf_counter() - started)
            service.wait_ready(START_TIMEOUT_S)
            up_ready.append(time.perf_counter() - begun)
            memory.append(psutil.Process(service.pids["api"][0]).memory_info().rss / 1e6)
    report.add("api process ready", "s", api_ready, most=MOST_API_READY_S)
    report.add("api process, resident memory", "MB", memory, most=MOST_API_MB)
    report.add("vills up ready, empty gallery", "s", up_ready, most=MOST_UP_READY_S)


def _wait_alive(base_url: str) -> None:
    with httpx.Client(base_url=base_url, timeout=1.0) as client:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                if client.get("/healthz").is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(LOOK_AGAIN_S)
    raise TimeoutError(f"{base_url} did not answer within {START_TIMEOUT_S:g} s")


def measure_recovery(settings: Settings, clip: Path, rounds: int, report: Report) -> None:
    """Seconds from kill -9 of the worker that works on a job until the job is done, the supervisor restarting it."""
    seconds = []
    for _ in range(rounds):
        with measured_service(settings, restart=True) as service:
            service.wait_ready(START_TIMEOUT_S)
            with VillsClient(service.base_url, retry_for_s=60.0) as client:
                upload = client.upload_video(clip)
                while client.job(upload.job_id).state != "running":
                    time.sleep(LOOK_AGAIN_S)
                service.kill("worker", signal.SIGKILL)
                begun = time.perf_counter()
                client.wait_for(upload.job_id, timeout_s=START_TIMEOUT_S)
                seconds.append(time.perf_counter() - begun)
    report.add("kill -9 of a worker until its job is done", "s", seconds, most=MOST_RECOVERY_S)
