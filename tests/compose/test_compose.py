"""`docker compose up`, for real: build, start, ask, watch, restart, stop. `make compose-test` runs it."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
from rich.console import Console

from service.client import VillsClient
from service.demo.run import show
from service.demo.samples import draw_samples
from service.local.ports import take_ports

pytestmark = [pytest.mark.compose, pytest.mark.timeout(3000)]

ROOT = Path(__file__).parents[2]
STAND_INS = ROOT.parent / "shared" / "tools" / "local_base_images.sh"
BASE_IMAGES = ("python:3.11-slim-bookworm", "valkey/valkey:9.1", "prom/prometheus:v3.5.0")
PROJECT = "villstest"
PATIENCE_S = 240.0
Seen = TypeVar("Seen")


def engine_runs() -> bool:
    return (
        shutil.which("docker") is not None and subprocess.run(["docker", "info"], capture_output=True).returncode == 0
    )


def compose_command() -> list[str]:
    """`docker compose` or, where only that is there, `docker-compose`."""
    plugin = subprocess.run(["docker", "compose", "version"], capture_output=True)
    return ["docker", "compose"] if plugin.returncode == 0 else ["docker-compose"]


def eventually(look: Callable[[], Seen | None]) -> Seen:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if seen := look():
            return seen
        time.sleep(0.5)
    raise AssertionError(f"not seen within {PATIENCE_S:g} s: {look}")


class Compose:
    """The project's containers on ports of their own."""

    def __init__(self, override: Path) -> None:
        self.api_port, self.prometheus_port = take_ports("127.0.0.1", [0, 0])
        self.base_url = f"http://127.0.0.1:{self.api_port}"
        self._command = [*compose_command(), "-p", PROJECT, "-f", "docker-compose.yml", "-f", str(override)]
        self._environment = os.environ | {
            "VILLS_PORT": str(self.api_port),
            "PROMETHEUS_PORT": str(self.prometheus_port),
        }

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._command, *arguments],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{' '.join(arguments)}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def ready(self) -> bool:
        try:
            return httpx.get(f"{self.base_url}/readyz", timeout=5.0).is_success
        except httpx.TransportError:
            return False

    def targets_up(self) -> bool:
        """Whether Prometheus has scraped the api."""
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.prometheus_port}/api/v1/targets", timeout=5.0)
        except httpx.TransportError:
            return False
        targets = answer.json()["data"]["activeTargets"] if answer.is_success else []
        return bool(targets) and all(target["health"] == "up" for target in targets)


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    if not engine_runs():
        if not STAND_INS.exists():
            pytest.skip("no Docker engine answers here, and none can be started")
        subprocess.run(["bash", str(STAND_INS), *BASE_IMAGES], check=True)
    # Some engines have no network of their own while they build. JSON is YAML, too.
    override = tmp_path_factory.mktemp("compose") / "build-network.yml"
    services = {name: {"build": {"network": "host"}} for name in ("api", "worker")}
    override.write_text(json.dumps({"version": "3.9", "services": services}))
    containers = Compose(override)
    containers("build")
    try:
        containers("up", "-d")
        eventually(containers.ready)
        yield containers
    finally:
        containers("down", "--volumes", "--timeout", "45")


def test_the_api_image_has_no_torch_and_no_faiss(compose: Compose) -> None:
    listed = json.loads(compose("exec", "-T", "--user", "vills", "api", "pip", "list", "--format", "json"))
    assert not {"torch", "faiss-cpu", "faiss-gpu", "timm", "onnxruntime"} & {each["name"] for each in listed}


def test_demo_metrics_and_restart(compose: Compose, tmp_path: Path) -> None:
    assert httpx.get(f"{compose.base_url}/gallery/videos", timeout=10.0).status_code == 401
    key = compose("exec", "-T", "api", "cat", "/data/admin.key").strip()
    with VillsClient(compose.base_url, api_key=key, retry_for_s=60.0) as vills:
        (tmp_path / "out").mkdir()
        assert show(vills, draw_samples(tmp_path / "drawn"), tmp_path / "out", Console()) == 0
        before = {item.id for item in vills.items("video")}
        assert before
    eventually(compose.targets_up)
    compose("restart", "--timeout", "45")
    eventually(compose.ready)
    with VillsClient(compose.base_url, api_key=key, retry_for_s=60.0) as vills:
        assert {item.id for item in vills.items("video")} == before
        [item] = list(vills.items("video"))[:1]
        assert vills.similar(vills.tracks("video", item.id)[0].track_id, k=3, min_score=-1.0).hits
