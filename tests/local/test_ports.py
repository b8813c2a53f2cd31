"""Ports and the environment that children get."""

import os
import socket

import pytest

from service.local.environment import environment_for
from service.local.errors import PortInUse
from service.local.ports import reachable_url, take_ports
from service.settings import Settings


def test_zeros_become_different_free_ports() -> None:
    ports = take_ports("127.0.0.1", [0] * 20)
    assert len(set(ports)) == 20
    assert take_ports("127.0.0.1", ports) == ports


def test_a_port_in_use_is_refused_with_its_cure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortInUse, match=rf"127\.0\.0\.1:{port} cannot be had.*in use.*VILLS_PORT"):
            take_ports("127.0.0.1", [port])


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("10.0.0.7", "http://10.0.0.7:80"),
    ],
)
def test_a_client_here_knows_where_to_go(host: str, url: str) -> None:
    assert reachable_url(host, 80) == url


def test_a_child_reads_the_settings_its_parent_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VILLS_WEIGHTS", "/not/for/the/child")
    monkeypatch.setenv("vills_threads", "9")
    given = Settings(port=0, new_space=True, encoder="onnx:a b.onnx", batch_wait_s=0.25, weights=None, threads=0)
    environment = environment_for(given)
    assert environment["PATH"] == os.environ["PATH"]
    for name in [name for name in os.environ if name.upper().startswith("VILLS_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Settings() == given
