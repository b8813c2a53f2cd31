"""`vills up`: the whole service in the foreground until a signal comes."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from service.client import Version, VillsClient
from service.local.supervisor import LocalService
from service.settings import Settings

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_until_stopped(settings: Settings, say: Callable[[str], None]) -> None:
    """Start everything, say where it is once it is ready, and stop it in order at the first signal.

    A second signal kills what has not stopped by then; what was acknowledged is on disk either way.

    Raises:
        LocalError: it cannot be started, or a process ended for good.
    """
    service = LocalService(settings)
    with _stopped_by_signals(service), service:
        if service.wait_ready():
            with VillsClient(service.base_url) as client:
                say(f"ready on {service.base_url} ({_encoder(client.version())})")
        service.wait()
        say("stopping")


@contextmanager
def _stopped_by_signals(service: LocalService) -> Iterator[None]:
    """A handler only writes a byte: it may interrupt code that holds the very lock an event or a thread needs."""
    reader, writer = os.pipe()
    listener = threading.Thread(target=_listen, args=(reader, service), name="signals", daemon=True)
    listener.start()
    before = {number: signal.signal(number, lambda *_: os.write(writer, b".")) for number in STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(writer)
        listener.join()
        os.close(reader)


def _listen(reader: int, service: LocalService) -> None:
    if os.read(reader, 1):
        service.request_stop()
    if os.read(reader, 1):
        service.kill_all()


def _encoder(version: Version) -> str:
    if version.encoder is None:
        return "no encoder yet"
    state = "trained" if version.trained else "UNTRAINED: the ranking means nothing yet"
    return f"encoder {version.encoder}, {state}, weights: {version.licence}, trained on: {version.training_data}"
