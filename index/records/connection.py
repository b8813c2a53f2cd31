"""The connection to Redis or Valkey, and what it promises about the disk."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

from index.errors import StoreUnavailable

CONNECT_TIMEOUT_S = 5.0
START_S = 10.0  # how long a starting server is waited for
# Longer than any blocking read asks the server to wait (5 s): a late answer is not a lost connection.
ANSWER_TIMEOUT_S = 20.0
# A blocking read holds one as long as it waits. Whoever finds none free waits, for a while.
MOST_CONNECTIONS = 64
FREE_CONNECTION_TIMEOUT_S = 5.0

# redis-py's types leave open whether answers are str or bytes. Ours are bytes: `connect` asks for no decoding.
BytesRedis = Any

# Errors by which a server says that it cannot serve now; everything else it says is a mistake of ours.
_AWAY = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.BusyLoadingError,
    exceptions.ReadOnlyError,
    exceptions.OutOfMemoryError,
    OSError,
)


@dataclass(frozen=True, slots=True)
class Durability:
    """Whether an acknowledged write is on disk. `reason` names rule and cure, and is empty when it is."""

    durable: bool
    reason: str


@contextmanager
def answered() -> Iterator[None]:
    """Turn the ways in which a server is not there into `StoreUnavailable`."""
    try:
        yield
    except _AWAY as error:
        raise StoreUnavailable(f"the store did not serve the request ({error}): is it running?") from error
    except exceptions.ResponseError as error:
        if str(error).startswith(("MISCONF", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "NOREPLICAS")):
            raise StoreUnavailable(f"the store cannot write now: {error}") from error
        raise


async def connect(url: str) -> Redis:
    """Connect to `redis://`, `rediss://` or `unix://`, waiting up to ten seconds for a server that starts.

    Raises:
        StoreUnavailable: it does not answer.
        ValueError: the address is none.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=MOST_CONNECTIONS,
        timeout=FREE_CONNECTION_TIMEOUT_S,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=None,  # see PromptConnection
        protocol=2,
        # Nothing is sent twice behind the caller's back: what is asked on the second connection (WAITAOF, above all)
        # would speak of another one's writes.
        retry=Retry(NoBackoff(), 0),
    )
    pool.connection_class = type("Connection", (PromptConnection, pool.connection_class), {})
    redis = Redis.from_pool(pool)
    try:
        await _ping(redis)
    except BaseException:
        await redis.aclose()
        raise
    return redis


class PromptConnection(AbstractConnection):
    """A connection of which a cancelled task lets go at once, whatever moment it is cancelled at.

    redis-py's own `socket_timeout` wraps each write in `asyncio.wait_for`, which before Python 3.12 forgets a
    cancellation that arrives together with the result: the task went on for ever, and it cost a task a command.
    """

    async def send_packed_command(self, *arguments: Any, **options: Any) -> None:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await super().send_packed_command(*arguments, **options)

    async def read_response(self, *arguments: Any, **options: Any) -> Any:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            return await super().read_response(*arguments, **options)

    async def exchange(self, message: bytes, n_answers: int) -> list[Any]:
        """The answers to a message of so many commands; one that was refused has its error for an answer."""
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await super().send_packed_command([message])
            return [await self._answer() for _ in range(n_answers)]

    async def _answer(self) -> Any:
        try:
            return await super().read_response()
        except exceptions.ResponseError as error:
            return error


@retry(
    retry=retry_if_exception_type(StoreUnavailable),
    stop=stop_after_delay(START_S),
    wait=wait_exponential_jitter(multiplier=0.05, max=0.5),
    reraise=True,
)
async def _ping(redis: Redis) -> None:
    with answered():
        await redis.ping()


async def durability(redis: BytesRedis) -> Durability:
    """Ask the server how it writes."""
    with answered():
        try:
            wanted = await redis.config_get("append*")
            known = await redis.execute_command("COMMAND", "INFO", "WAITAOF")
        except exceptions.ResponseError as error:
            return Durability(False, f"the store does not tell how it writes to disk ({error}): allow CONFIG GET")
    settings = {_text(name): _text(value) for name, value in wanted.items()}
    if settings.get("appendonly") != "yes":
        return Durability(False, "the store keeps no append-only file: start it with --appendonly yes")
    if settings.get("appendfsync") != "always":
        return Durability(False, f"appendfsync is {settings.get('appendfsync')}: start it with --appendfsync always")
    if not known or (not isinstance(known, dict) and known[0] is None):
        return Durability(False, "the store has no WAITAOF: use Valkey, or Redis 7.2 or newer")
    return Durability(True, "")


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


async def server_time_ms(redis: BytesRedis) -> int:
    """The server's clock, milliseconds of Unix time."""
    with answered():
        seconds, micros = await redis.time()
    return int(seconds) * 1000 + int(micros) // 1000
