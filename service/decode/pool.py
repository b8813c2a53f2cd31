"""Decoder children for one asyncio process: pre-started, asked in turn, killed and replaced when they fail."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from service.decode.answers import BadAnswer, read_crops, read_probe
from service.decode.crops import Box, Crops, CropSampling, DecodeLimits, Kind, Probe
from service.decode.errors import DecoderFailed, DecoderUnavailable, DecodeTooSlow, MediaError
from service.decode.process import Child, ChildDied, Message, outlasting
from service.decode.wire import MAX_THUMBNAIL_BYTES, wire_path

logger = logging.getLogger(__name__)

T = TypeVar("T")


class DecoderPool:
    """`children` decoders behind one queue: callers are served in the order of their coming.

    A child is killed and replaced when it dies, takes longer than `limits.timeout_s`, breaks the rules of the wire, or
    its caller is cancelled. The pool belongs to the event loop that called `start`, and to its thread: the children end
    when that thread does.
    """

    def __init__(self, limits: DecodeLimits, *, children: int) -> None:
        self._limits = limits
        self._seats = [_Seat(limits) for _ in range(children)]
        self._free: asyncio.Queue[_Seat] = asyncio.Queue()
        self._open = False

    async def start(self) -> None:
        """Start the children without waiting until they are up: `ready`, or the first callers, wait for that."""
        self._open = True
        for seat in self._seats:
            seat.fill()
            self._free.put_nowait(seat)

    async def ready(self) -> None:
        """Wait until every child is up.

        Raises:
            DecoderUnavailable: one of them cannot be started.
        """
        await asyncio.gather(*(seat.child() for seat in self._seats))

    async def close(self) -> None:
        """Kill the children and wait until they are gone. Callers still waiting get DecoderUnavailable.

        A cancellation waits too: half closed, children that are just starting would be left behind.
        """
        self._open = False
        await outlasting(asyncio.gather(*(seat.close() for seat in self._seats)))

    @property
    def pids(self) -> list[int]:
        """Process ids of the children that are up."""
        return [child.pid for seat in self._seats if (child := seat.present) is not None]

    @property
    def n_busy(self) -> int:
        """Children that are at work on a file, or being replaced for a caller who waits."""
        return len(self._seats) - self._free.qsize() if self._open else 0

    async def probe(self, path: Path, *, expect: Kind | None = None) -> Probe:
        """What the file is, by its content: an image is decoded fully, of a video the container and first 8 frames.

        Raises:
            MediaError: it cannot be used, or is not of the kind expected.
            FileNotFoundError: there is no such file.
        """
        request = {"do": "probe", "path": wire_path(path), "expect": expect}
        return await self._ask(request, 0, read_probe)

    async def crops(
        self,
        path: Path,
        sampling: CropSampling,
        *,
        box: Box | None = None,
        thumbnail: bool = False,
        expect: Kind | None = None,
    ) -> Crops:
        """Decode the whole file and crop what the sampling rule chooses. Checks all that `probe` checks, and more.

        Raises:
            MediaError: it cannot be used, is not of the kind expected, or the box does not lie inside.
            FileNotFoundError: there is no such file.
        """
        request = {
            "do": "crops",
            "path": wire_path(path),
            "expect": expect,
            "sampling": asdict(sampling),
            "box": box,
            "thumbnail": thumbnail,
        }
        most_bytes = sampling.most_bytes() + (MAX_THUMBNAIL_BYTES if thumbnail else 0)
        return await self._ask(request, most_bytes, lambda message: read_crops(message, sampling))

    async def _ask(self, request: dict[str, Any], most_bytes: int, read: Callable[[Message], T]) -> T:
        if not self._open:
            raise _closed()
        seat = await self._free.get()
        try:
            if not self._open:
                raise _closed()
            return await self._exchange(seat, request, most_bytes, read)
        finally:
            self._free.put_nowait(seat)

    async def _exchange(
        self, seat: "_Seat", request: dict[str, Any], most_bytes: int, read: Callable[[Message], T]
    ) -> T:
        """Ask the seat's child; whatever goes wrong other than a plain refusal costs the child its life."""
        child = await seat.child()
        fault: str | None = "its caller left"
        try:
            async with asyncio.timeout(self._limits.timeout_s):
                message = await child.ask(request, most_bytes)
            answer = read(message)
            fault = None
            return answer
        except TimeoutError as error:
            fault = "too slow"
            raise DecodeTooSlow(
                f"the file was not decoded within {self._limits.timeout_s:g} seconds, which is the limit: "
                "send a shorter or smaller one"
            ) from error
        except (ChildDied, BadAnswer) as error:
            fault = str(error)
            raise self._failure(error) from error
        except (MediaError, FileNotFoundError) as error:
            fault = str(error) if isinstance(error, DecoderFailed) else None
            raise
        finally:
            if fault is not None and self._open:
                logger.warning("decoder child %d is replaced: %s", child.pid, fault)
                seat.replace()

    def _failure(self, error: Exception) -> MediaError:
        if not self._open:
            return _closed()
        return DecoderFailed(
            f"{error} over the file (memory limit {self._limits.memory_bytes} bytes): it is damaged or too demanding, "
            "send another one"
        )


class _Seat:
    """A place for one child, which is filled again whenever its child is gone."""

    def __init__(self, limits: DecodeLimits) -> None:
        self._limits = limits
        self._starting: asyncio.Task[Child] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def present(self) -> Child | None:
        """The child, if one is up."""
        if self._starting is None or not self._starting.done() or _is_lost(self._starting):
            return None
        return self._starting.result()

    def fill(self) -> None:
        """Start a child in the background."""
        self._starting = asyncio.create_task(Child.start(self._limits))

    async def child(self) -> Child:
        """The seat's child, when it is up; a new one if it died or never came up.

        Raises:
            DecoderUnavailable: it cannot be started, or the seat is closed.
        """
        if self._closed:
            raise _closed()
        if self._starting is None or _is_lost(self._starting):
            self.fill()
        starting = self._starting
        assert starting is not None
        if not starting.done():
            await asyncio.wait([starting])  # a caller that leaves does not take the child along
        if starting.cancelled():
            raise _closed()
        return starting.result()

    def replace(self) -> None:
        """Kill the child and start another."""
        assert self._starting is not None
        ending = asyncio.create_task(self._starting.result().end())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        self.fill()

    async def close(self) -> None:
        """Kill the child, started or starting, and wait until it and its predecessors are gone."""
        self._closed = True
        if self._starting is not None:
            self._starting.cancel()
            (outcome,) = await asyncio.gather(self._starting, return_exceptions=True)
            if isinstance(outcome, Child):
                await outcome.end()
        await asyncio.gather(*self._ending)


def _is_lost(starting: asyncio.Task[Child]) -> bool:
    if not starting.done():
        return False
    return starting.cancelled() or starting.exception() is not None or not starting.result().alive


def _closed() -> DecoderUnavailable:
    return DecoderUnavailable("the decoders are closed because this process is stopping: ask again")
