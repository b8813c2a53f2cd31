"""The api process from start to end."""

import asyncio
import gc
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
import uvicorn
import uvloop

from service.api.app import create_app
from service.api.build import open_parts, process_name
from service.api.protocol import ProblemProtocol
from service.logs import set_up_logging
from service.settings import Settings

logger = structlog.get_logger(__name__)

KEEP_ALIVE_S: Final = 30  # longer than clients keep idle connections, so that none is closed under a new request
GRACE_S: Final = 10  # requests under way when the process is told to stop get this long
# New objects after which the youngest are looked through. A query makes some hundreds of them, and while 64 are under
# way nearly all are in use: at Python's 700 the collector looks in vain at every few queries.
COLLECT_AFTER: Final = 10_000


class _Server(uvicorn.Server):
    """Leaves signals to us: uvicorn raises them again when it is done, before our parts are closed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        ValueError: there is no address of a store.
        StoreUnavailable: the store does not answer.
    """
    process = process_name()
    set_up_logging(settings.log_level, settings.log_format, process=process)
    uvloop.run(_serve(settings, process))


def spare_collector() -> None:
    """Take all there is now, libraries above all, out of the garbage collector's sight: it stays to the end.

    Looking through it took 66 ms at a time, in which no request went on.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


async def _serve(settings: Settings, process: str) -> None:
    if settings.redis_url is None:
        raise ValueError("the api needs the address of a store: set VILLS_REDIS_URL, or start `vills up`")
    async with open_parts(settings, settings.redis_url, process) as parts:
        config = uvicorn.Config(
            create_app(parts),
            host=settings.host,
            port=settings.port,
            http=ProblemProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            # Who asks is known by the key; a forwarded address would be the client's word.
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
        )
        server = _Server(config)
        spare_collector()

        def stop() -> None:
            parts.board.close()
            server.should_exit = True

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        bound = config.bind_socket()
        host, port = bound.getsockname()[:2]
        logger.info("listening", host=host, port=port)
        await server.serve(sockets=[bound])
    logger.info("stopped")
