"""Server-side scripts: what must happen at once, happens in one of them."""

import functools
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from redis import exceptions
from redis.asyncio import Redis

from index.errors import NotDurable
from index.records.connection import BytesRedis, answered
from index.records.keys import EVENTS, NAMES, Keys
from index.records.shared_pipeline import Argument, shared_pipeline

logger = logging.getLogger(__name__)
ON_DISK_TIMEOUT_MS = 5000


@dataclass(frozen=True, slots=True)
class Script:
    """A script as the server gets it, and the name (SHA-1) by which it remembers it."""

    source: str
    sha: str


@functools.cache
def load_script(name: str) -> Script:
    """The script `scripts/<name>.lua` with the key names and the shared part before it.

    With a first line `#!lua` a server that is out of memory, or may not write, refuses the script as a whole; without
    it, it would stop the script between two writes.
    """
    folder = resources.files("index.records") / "scripts"
    head, _, body = (folder / f"{name}.lua").read_text().partition("\n")
    names = "\n".join(f"local {name} = KEYS[1] .. '{key}'" for name, key in NAMES.items())
    source = "\n".join((head, names, (folder / "prelude.lua").read_text(), body))
    return Script(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


class Scripts:
    """Runs the scripts of one space, where asked so that the answer comes after the disk."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis: BytesRedis = redis
        self._pipeline = shared_pipeline(redis)
        self._keys = [keys.prefix, EVENTS]

    async def run(self, name: str, *arguments: Argument) -> Any:
        """Run a script.

        Raises:
            StoreUnavailable: the server did not carry it out.
        """
        script = load_script(name)
        command = ("EVALSHA", script.sha, len(self._keys), *self._keys, *arguments)
        with answered():
            try:
                [result] = await self._pipeline.ask(command)
            except exceptions.NoScriptError:
                await self._redis.script_load(script.source)
                [result] = await self._pipeline.ask(command)
            return result

    async def run_durably(self, name: str, *arguments: Argument) -> Any:
        """Run a script and return when what it wrote is on disk.

        A server that keeps no append-only file, or does not know WAITAOF, cannot promise that: it is said once in the
        log, and shown by `durability`.

        Raises:
            StoreUnavailable: the server did not carry it out.
            NotDurable: the server did not confirm the disk in time.
        """
        script = load_script(name)
        result, on_disk = await self._send_durably(script, arguments)
        if isinstance(result, exceptions.NoScriptError):
            with answered():
                await self._redis.script_load(script.source)
            result, on_disk = await self._send_durably(script, arguments)
        with answered():
            if isinstance(result, Exception):
                raise result
        _check_on_disk(on_disk)
        return result

    async def _send_durably(self, script: Script, arguments: Sequence[Argument]) -> tuple[Any, Any]:
        # WAITAOF speaks of the writes of its own connection, and only outside MULTI: a plain pipeline is just that.
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.execute_command("EVALSHA", script.sha, len(self._keys), *self._keys, *arguments)
        pipeline.execute_command("WAITAOF", 1, 0, ON_DISK_TIMEOUT_MS)
        with answered():
            result, on_disk = await pipeline.execute(raise_on_error=False)
        return result, on_disk


def _check_on_disk(reply: Any) -> None:
    """Judge the answer of WAITAOF: how many append-only files (this server's, its replicas') have the writes.

    Raises:
        NotDurable: not even this server's.
    """
    if isinstance(reply, Exception):
        if any(word in str(reply) for word in ("unknown command", "appendonly is disabled")):
            _warn_once(str(reply))
            return
        raise NotDurable(f"the store did not confirm that the write is on disk ({reply}): look at its log") from reply
    if int(reply[0]) < 1:
        raise NotDurable(
            f"the store did not confirm within {ON_DISK_TIMEOUT_MS} ms that the write is on disk: "
            "look at its disk, then send the request again"
        )


@functools.cache
def _warn_once(reason: str) -> None:
    logger.warning("acknowledged writes are not known to be on disk: %s", reason)


def flat(pairs: Sequence[tuple[Argument, Argument]]) -> list[Argument]:
    """Pairs as one list of arguments."""
    return [part for pair in pairs for part in pair]
