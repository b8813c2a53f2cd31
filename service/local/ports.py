"""Ports of the api processes: chosen and checked before they start, so that a refusal is one clear line."""

import socket
from collections.abc import Sequence
from contextlib import ExitStack

from service.local.errors import PortInUse


def take_ports(host: str, wanted: Sequence[int]) -> list[int]:
    """The ports themselves, with a free one, different from all others, in place of each 0.

    Raises:
        PortInUse: something else listens there, or `host` is no address of this machine.
    """
    with ExitStack() as held:  # all at once, or the same free port would be found twice
        return [_bind(host, port, held) for port in wanted]


def _bind(host: str, port: int, held: ExitStack) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    probe = held.enter_context(socket.socket(family, socket.SOCK_STREAM))
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server will: TIME_WAIT is no user
    try:
        probe.bind((host, port))
        probe.listen()  # on some systems two sockets may bind with SO_REUSEADDR, but not listen
    except OSError as error:
        raise PortInUse(
            f"an api needs a port of its own, and {host}:{port} cannot be had ({error.strerror}): "
            "stop what listens there, or set VILLS_PORT to another port"
        ) from error
    return int(probe.getsockname()[1])


def reachable_url(host: str, port: int) -> str:
    """Where a client on this machine finds an api that listens on `host`."""
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{local}]:{port}" if ":" in local else f"http://{local}:{port}"
