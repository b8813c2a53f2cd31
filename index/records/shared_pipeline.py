"""Commands of many callers in one message: what is asked at the same time travels together.

A command by itself costs its process far more than it costs the server: a connection taken from the pool and given
back, a write, a wake-up. Under load most of them are asked side by side.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import hiredis
from redis import exceptions
from redis.asyncio import Redis

from index.records.connection import PromptConnection

Argument = str | bytes | int | float
Command = tuple[Argument, ...]

_pack: Callable[[Command], bytes] = hiredis.pack_command  # type: ignore[assignment]  # which speaks of tuples of one


class SharedPipeline:
    """Sends what is asked within one turn of the event loop, or while the answers before are still out, as one.

    It is no transaction: each command is carried out by itself, in the order of asking, and each caller gets the
    answers to its own. What blocks does not belong here, for all who ask later would wait for it; nor does what needs
    a connection of its own (WAITAOF).
    """

    def __init__(self, redis: Redis) -> None:
        self._pool: Any = redis.connection_pool
        self._asked: list[_Asked] = []
        self._sending: asyncio.Task[None] | None = None  # as long as there is something to send

    async def ask(self, *commands: Command) -> list[Any]:
        """The answers to these commands, which are sent even if the caller is cancelled meanwhile.

        Raises:
            redis.exceptions.RedisError, OSError: the first refusal among the answers, or why there are none.
        """
        if not commands:
            return []
        asked = _Asked(commands)
        self._asked.append(asked)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send())
        return await asked.answers

    async def _send(self) -> None:
        while self._asked:
            lot: list[_Asked] = []
            try:
                connection: PromptConnection = await self._pool.get_connection()
                try:
                    while lot := self._taken():
                        await _exchange(connection, lot)
                finally:
                    await self._pool.release(connection)
            except Exception as error:
                for asked in lot or self._taken():
                    asked.fail(error)
            except BaseException:  # the event loop ends
                for asked in (*lot, *self._taken()):
                    asked.answers.cancel()
                raise

    def _taken(self) -> "list[_Asked]":
        lot, self._asked = self._asked, []
        return lot


class _Asked:
    """What one caller asks, ready to be sent, and the promise of its answers."""

    def __init__(self, commands: Sequence[Command]) -> None:
        # Packed here: what cannot be sent is the mistake of this caller alone.
        self.message = b"".join([_pack(command) for command in commands])
        self.n_commands = len(commands)
        self.answers: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()

    def settle(self, answers: list[Any]) -> None:
        refusal = next((answer for answer in answers if isinstance(answer, exceptions.ResponseError)), None)
        if refusal is not None:
            self.fail(refusal)
        elif not self.answers.done():
            self.answers.set_result(answers)

    def fail(self, error: Exception) -> None:
        if not self.answers.done():  # it is where the caller left
            self.answers.set_exception(error)


async def _exchange(connection: PromptConnection, lot: Sequence[_Asked]) -> None:
    n_answers = sum(asked.n_commands for asked in lot)
    answers = iter(await connection.exchange(b"".join([asked.message for asked in lot]), n_answers))
    for asked in lot:
        asked.settle([next(answers) for _ in range(asked.n_commands)])


_PIPELINES: WeakKeyDictionary[Redis, SharedPipeline] = WeakKeyDictionary()


def shared_pipeline(redis: Redis) -> SharedPipeline:
    """The one pipeline of all who use this client."""
    return _PIPELINES.setdefault(redis, SharedPipeline(redis))
