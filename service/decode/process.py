"""One decoder child as its parent sees it: started, asked, killed."""

import asyncio
import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from os import getpid
from pathlib import Path
from typing import Any, TypeVar, cast

import orjson

from service.decode.crops import DecodeLimits
from service.decode.errors import DecoderUnavailable
from service.decode.wire import MAX_HEADER_BYTES, PREFIX, pack

START_TIMEOUT_S = 60.0

Message = tuple[bytes, memoryview]  # header, body
T = TypeVar("T")


class ChildDied(Exception):
    """The child is gone, or broke the rules of the wire and was killed."""


class Child(asyncio.SubprocessProtocol):
    """A running decoder child. One request at a time; killed, it is not used again."""

    def __init__(self) -> None:
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.SubprocessTransport | None = None
        self._waiting: asyncio.Future[Message] | None = None
        self._buffer = bytearray()
        self._most_bytes = 0
        self._killed = False

    @classmethod
    async def start(cls, limits: DecodeLimits) -> "Child":
        """Start a child and wait until it has imported its libraries and set its limits.

        Raises:
            DecoderUnavailable: it did not come up.
        """
        child = cls()
        greeting = child._message(0)  # before the start: it may be here, or the child dead, as soon as that returns
        try:
            await child._spawn(limits)
            async with asyncio.timeout(START_TIMEOUT_S):
                await greeting
        except BaseException as error:
            greeting.cancel()  # nobody waits for it any more, so its failure is no news
            await child.end()
            if not isinstance(error, OSError | ChildDied | TimeoutError):
                raise
            raise DecoderUnavailable(
                f"a decoder child did not start ({error}): see the log, and VILLS_DECODER_MEMORY_BYTES "
                f"({limits.memory_bytes} now), which its libraries count against"
            ) from error
        return child

    async def _spawn(self, limits: DecodeLimits) -> None:
        loop = asyncio.get_running_loop()
        spawning = asyncio.ensure_future(
            loop.subprocess_exec(lambda: self, *_command(limits), stderr=None, env=_environment())
        )
        await outlasting(spawning)  # a process that is half started could not be ended

    @property
    def pid(self) -> int:
        """Process id, also after its end; 0 before its start."""
        return 0 if self._transport is None else self._transport.get_pid() or 0

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._transport is not None and not self._killed and not self.gone.done()

    async def ask(self, request: dict[str, Any], most_bytes: int) -> Message:
        """Send a request, wait for header and body (at most `most_bytes`) of the answer.

        Raises:
            ChildDied: it ended, or answered more than it was asked.
        """
        if not self.alive:
            raise ChildDied("the decoder had ended")
        assert self._transport is not None
        pipe = cast(asyncio.WriteTransport, self._transport.get_pipe_transport(0))
        waiting = self._message(most_bytes)
        pipe.write(pack(request))
        return await waiting

    def kill(self) -> None:
        """End the process now; `gone` is done when nothing of it is left."""
        self._killed = True
        if self._transport is not None and not self.gone.done():
            with suppress(ProcessLookupError):
                self._transport.kill()

    async def end(self) -> None:
        """Kill the process and wait until nothing of it is left."""
        self.kill()
        if self._transport is not None:
            await outlasting(self.gone)

    def _message(self, most_bytes: int) -> asyncio.Future[Message]:
        self._most_bytes = most_bytes
        self._waiting = asyncio.get_running_loop().create_future()
        return self._waiting

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) < PREFIX.size:
            return
        header_bytes, body_bytes = PREFIX.unpack_from(self._buffer)
        end = PREFIX.size + header_bytes + body_bytes
        too_much = header_bytes > MAX_HEADER_BYTES or body_bytes > self._most_bytes or len(self._buffer) > end
        if self._waiting is None or self._waiting.done() or too_much:
            self._fail("the decoder sent more than it was asked for")
            self.kill()
        elif len(self._buffer) == end:
            view = memoryview(self._buffer)
            middle = PREFIX.size + header_bytes
            self._buffer = bytearray()  # the old one belongs to the receiver now
            self._waiting.set_result((bytes(view[PREFIX.size : middle]), view[middle:]))

    def connection_lost(self, error: Exception | None) -> None:
        assert self._transport is not None
        self._fail(_ending(self._transport.get_returncode()))
        self._transport.close()
        if not self.gone.done():
            self.gone.set_result(None)

    def _fail(self, reason: str) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ChildDied(reason))


async def outlasting(work: "asyncio.Future[T]") -> T:
    """What `work` gives, waited for however often the waiting task is cancelled; the cancellation comes after it."""
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError as error:
            cancelled = error
    result = work.result()
    if cancelled is not None:
        raise cancelled
    return result


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return f"the decoder was ended by signal {signal.Signals(-code).name}"
    return f"the decoder ended with code {code}"


def _command(limits: DecodeLimits) -> list[str]:
    start = orjson.dumps({"parent": getpid(), "limits": asdict(limits)}).decode()
    # -P: what lies in the working folder is not imported.
    return [sys.executable, "-P", "-W", "ignore", "-m", "service.decode.child", start]


def _environment() -> dict[str, str]:
    """All the child gets to know of the world: no secret of ours."""
    return {
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "LC_ALL": "C.UTF-8",
        "OPENBLAS_NUM_THREADS": "1",
        # Freed buffers, up to 32 MiB, stay for the next file: having them back from the system is what costs most.
        "MALLOC_MMAP_THRESHOLD_": str(16 << 20),
        "MALLOC_TRIM_THRESHOLD_": str(32 << 20),
    }
