"""A real store, real decoders, a real server on a real port; only the worker is a small one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import structlog
import uvicorn
from redis.asyncio import Redis

from index.records.connection import connect
from service.api.app import create_app
from service.api.build import open_parts, process_name
from service.api.parts import Parts
from service.api.protocol import ProblemProtocol
from service.decode.limits import decode_limits
from service.local.valkey import EmbeddedStore
from service.media import MediaStore
from service.settings import Settings
from tests.api.fake_worker import SPACE, FakeWorker
from tests.api.samples import picture

Seen = TypeVar("Seen")
PATIENCE_S = 20.0


@dataclass(slots=True)
class Api:
    """One api, served in this process."""

    url: str
    http: httpx.AsyncClient
    parts: Parts
    redis: Redis
    folder: Path

    async def upload(
        self,
        kind: str,
        content: bytes,
        fields: Mapping[str, str] | None = None,
        *,
        wait: float = 10,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """POST one file to `/gallery/{kind}s`."""
        return await self.http.post(
            f"/gallery/{kind}s",
            params={"wait": wait} if wait else {},
            files={"file": ("upload.bin", content)},
            data=fields,
            headers=headers,
        )

    async def added(self, kind: str, content: bytes, **fields: str) -> str:
        """The id of an item that is searchable."""
        response = await self.upload(kind, content, fields)
        assert response.status_code == 201, response.text
        item_id: str = response.json()["item_id"]
        return item_id

    async def ask(self, content: bytes | None = None, kind: str = "image", **fields: Any) -> httpx.Response:
        """POST one picture to `/query/{kind}`."""
        return await self.http.post(f"/query/{kind}", files={"file": ("query.bin", content or picture())}, data=fields)

    async def keys(self) -> set[str]:
        """Every key of the store that is not about processes or events."""
        names = {key.decode() async for key in self.redis.scan_iter("*")}
        return {name for name in names if not name.startswith(("vills:process", "vills:events", "vills:replies"))}

    def files(self) -> set[str]:
        """Every file of the media store, the scratch folder included."""
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()}


StartApi = Callable[..., AbstractAsyncContextManager[Api]]


async def eventually(look: Callable[[], Awaitable[Seen]]) -> Seen:
    """Look until something true is seen; for states that no event tells of."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            seen = await look()
            if seen:
                return seen
            await asyncio.sleep(0.01)


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> None:
    """Tracebacks as plain text: the default draws them with all their variables, which takes seconds."""
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    )


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    with EmbeddedStore(tmp_path_factory.mktemp("store"), restart=False) as running:
        yield running


@pytest.fixture
async def redis(store: EmbeddedStore) -> AsyncIterator[Redis]:
    connection = await connect(store.url)
    await connection.flushall()
    yield connection
    await connection.aclose()


@pytest.fixture
def settings(tmp_path: Path, store: EmbeddedStore) -> Settings:
    return Settings(data_dir=tmp_path, redis_url=store.url, decoders=1, port=0)


@pytest.fixture
async def worker(redis: Redis, settings: Settings) -> AsyncIterator[FakeWorker]:
    worker = FakeWorker(redis, MediaStore(settings.media_root), decode_limits(settings))
    running = asyncio.create_task(worker.run())
    await eventually(lambda: redis.get("vills:space"))
    yield worker
    while not running.done():
        running.cancel()  # again and again: one can be lost in redis-py
        await asyncio.wait([running], timeout=0.1)


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Api]:
    """An api on a port of its own."""
    assert settings.redis_url is not None
    async with open_parts(settings, settings.redis_url, process_name()) as parts:
        config = uvicorn.Config(
            create_app(parts), port=0, lifespan="off", log_config=None, http=ProblemProtocol, ws="none"
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(_serve(server))
        await eventually(lambda: _started(server, task))
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        try:
            async with httpx.AsyncClient(base_url=url, timeout=30) as http:
                yield Api(url, http, parts, parts.redis, Path(settings.media_root))
        finally:
            parts.board.close()
            server.should_exit = True
            await task


async def _serve(server: uvicorn.Server) -> None:
    # Not `serve`: that would take the test run's signal handlers.
    await server._serve()


async def _started(server: uvicorn.Server, task: "asyncio.Task[None]") -> bool:
    if task.done():
        task.result()
    return server.started


@pytest.fixture
async def api(settings: Settings, redis: Redis) -> AsyncIterator[Api]:
    async with serving(settings) as api:
        yield api


@pytest.fixture
async def gallery(worker: FakeWorker, api: Api) -> Api:
    """An api with a worker behind it."""
    await eventually(lambda: _ready(api))
    return api


async def _ready(api: Api) -> bool:
    return (await api.http.get("/readyz")).status_code == 200


def media_key(item_id: str) -> str:
    return f"{SPACE.id}/{item_id}/original"
