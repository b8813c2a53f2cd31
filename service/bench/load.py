"""A load generator light enough to share two cores with what it measures: raw HTTP/1.1 on kept-alive connections."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

BOUNDARY = "vills-bench-4f1c9d"
HUNG_UP = 999  # counted as the status of a request whose connection was closed without an answer
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class LoadResult:
    """What came back: seconds of each request in order of completion, statuses, and wall seconds of the whole."""

    latencies_s: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    wall_s: float = 0.0
    last_body: bytes = b""

    @property
    def per_second(self) -> float:
        return len(self.latencies_s) / self.wall_s

    @property
    def errors(self) -> int:
        """Answers that were no success."""
        return sum(count for status, count in self.statuses.items() if status >= 300)


def upload_request(path: str, filename: str, content: bytes, fields: dict[str, str]) -> bytes:
    """The bytes of one multipart POST with a `file` part and plain fields."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n\r\n'.encode()
    body = b"".join([*parts, head, content, f"\r\n--{BOUNDARY}--\r\n".encode()])
    header = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return header.encode() + body


async def run_load(host: str, port: int, requests: Sequence[bytes], *, concurrency: int, total: int) -> LoadResult:
    """Send `total` requests, cycling through `requests`, with `concurrency` of them open at any time."""
    result = LoadResult()
    turns = iter(range(total))
    bodies = itertools.cycle(requests)
    begun = time.perf_counter()
    await asyncio.gather(*(_client(host, port, bodies, turns, result) for _ in range(concurrency)))
    result.wall_s = time.perf_counter() - begun
    return result


async def _client(
    host: str, port: int, bodies: "itertools.cycle[bytes]", turns: Iterator[int], result: LoadResult
) -> None:
    connection: Connection | None = None
    for _ in turns:
        connection = connection or await asyncio.open_connection(host, port)
        begun = time.perf_counter()
        try:
            connection[1].write(next(bodies))
            status, result.last_body = await _answer(connection[0])
        except (ConnectionError, asyncio.IncompleteReadError):
            status = HUNG_UP
        result.latencies_s.append(time.perf_counter() - begun)
        result.statuses[status] += 1
        if status >= 300:  # refused before its body was read, so the connection is of no further use
            connection[1].close()
            connection = None
    if connection is not None:
        connection[1].close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head[9:12])
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return status, await reader.readexactly(int(value))
    raise ValueError("the answer has no Content-Length: this client reads only answers of known length")
