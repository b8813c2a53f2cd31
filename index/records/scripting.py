"""Server-side scripts: what must happen at once, happens in one of them."""

import functools
import logging
from collections.abc import Sequence
from importlib import resources
from typing import Any

from redis import exceptions
from redis.asyncio import Redis

from index.errors import NotDurable
from index.records.connection import BytesRedis, answered
from index.records.keys import EVENTS, NAMES, Keys

logger = logging.getLogger(__name__)
Argument = str | bytes | int | float
ON_DISK_TIMEOUT_MS = 5000


@functools.cache
def source(name: str) -> str:
    """The script `scripts/<name>.lua` with the key names and the shared part before it."""
    folder = resources.files("index.records") / "scripts"
    names = "\n".join(f"local {name} = KEYS[1] .. '{key}'" for name, key in NAMES.items())
    return "\n".join((names, (folder / "prelude.lua").read_text(), (folder / f"{name}.lua").read_text()))


class Scripts:
    """Runs the scripts of one space, where asked so that the answer comes after the disk."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis: BytesRedis = redis
        self._keys = [keys.prefix, EVENTS]
        self._warned = False

    async def run(self, name: str, *arguments: Argument) -> Any:
        """Run a script.

        Raises:
            StoreUnavailable: the server did not carry it out.
        """
        with answered():
            return await self._redis.register_script(source(name))(keys=self._keys, args=arguments)

    async def run_durably(self, name: str, *arguments: Argument) -> Any:
        """Run a script and return when what it wrote is on disk.

        WAITAOF speaks of the writes of its own connection only, so both calls share one. A server that keeps no
        append-only file, or does not know the command, cannot promise anything: said once, and shown by `durability`.

        Raises:
            StoreUnavailable: the server did not carry it out.
            NotDurable: the server did not confirm the disk in time.
        """
        with answered():
            async with self._redis.client() as one:
                result = await one.register_script(source(name))(keys=self._keys, args=arguments, client=one)
                await self._wait_for_disk(one)
        return result

    async def _wait_for_disk(self, one: BytesRedis) -> None:
        try:
            reply = await one.execute_command("WAITAOF", 1, 0, ON_DISK_TIMEOUT_MS)
        except exceptions.ResponseError as error:
            if not self._warned:
                self._warned = True
                logger.warning("acknowledged writes are not known to be on disk: %s", error)
            return
        if int(reply[0]) < 1:
            raise NotDurable(
                f"the store did not confirm within {ON_DISK_TIMEOUT_MS} ms that the write is on disk: "
                "look at its disk, then send the request again"
            )


def flat(pairs: Sequence[tuple[Argument, Argument]]) -> list[Argument]:
    """Pairs as one list of arguments."""
    return [part for pair in pairs for part in pair]
