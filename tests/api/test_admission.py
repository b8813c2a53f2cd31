"""What is refused before a byte of the body is read."""

import asyncio
import json
import stat
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from index.records.api_keys import ApiKeys
from service.api import keyring
from service.api.build import open_parts
from service.api.middleware import unread_body
from service.api.policy import POLICIES
from service.settings import Settings
from tests.api.conftest import Api, eventually, serving
from tests.api.fake_worker import SPACE, FakeWorker
from tests.api.samples import picture


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "REMEMBERED_S", 0.0)
    monkeypatch.setattr(unread_body, "DRAIN_S", 0.2)


async def raw(api: Api, head: str) -> tuple[int, dict[str, Any], bool]:
    """Send a head and no body; status, JSON and whether the server closed the connection afterwards."""
    url = httpx.URL(api.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
    await writer.drain()
    async with asyncio.timeout(10):
        answer = await reader.readuntil(b"\r\n\r\n")
        length = int(
            next(line for line in answer.split(b"\r\n") if line.lower().startswith(b"content-length")).split()[1]
        )
        body = await reader.readexactly(length)
        closed = b"connection: close" in answer.lower() and await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    return int(answer.split()[1]), json.loads(body), closed


HUGE = "Content-Length: 999999999999\nContent-Type: multipart/form-data; boundary=x\nHost: localhost"


async def test_without_keys_loopback_is_open_and_with_one_it_is_not(gallery: Api, redis: Redis) -> None:
    assert (await gallery.ask()).status_code == 200
    _, token = await ApiKeys(redis).create("mine", ["query"])

    refused = await gallery.ask()
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert refused.json()["code"] == "unauthorised"
    assert "Authorization: Bearer" in refused.json()["detail"]
    for headers in ({"Authorization": f"Bearer {token}"}, {"X-API-Key": token}):
        gallery.http.headers = httpx.Headers(headers)
        assert (await gallery.ask()).status_code == 200
    gallery.http.headers = httpx.Headers({"X-API-Key": token[:-1] + "!"})
    assert (await gallery.ask()).status_code == 401


async def test_every_route_asks_for_its_scope(gallery: Api, redis: Redis) -> None:
    tokens = {
        scope: (await ApiKeys(redis).create(scope, [scope]))[1] for scope in ("query", "ingest", "erase", "admin")
    }
    for (method, template), policy in POLICIES.items():
        path = template.format(item_id="0" * 32, track_id="0" * 32 + "-0000", job_id="0" * 32)
        for scope, token in tokens.items():
            response = await gallery.http.request(method, path, headers={"X-API-Key": token})
            allowed = not policy.scopes or scope in policy.scopes or scope == "admin"
            assert (response.status_code != 403) == allowed, (method, template, scope, response.text)
            if not allowed:
                assert response.json()["code"] == "missing_scope"
                assert policy.scopes[0] in response.json()["detail"]
        bare = await gallery.http.request(method, path)
        assert (bare.status_code == 401) == bool(policy.scopes), (method, template)


async def test_key_and_length_are_checked_before_the_body(gallery: Api, redis: Redis) -> None:
    for path in ("/gallery/videos", "/query/image"):
        status, problem, closed = await raw(gallery, f"POST {path} HTTP/1.1\n{HUGE}")
        assert (status, problem["code"], closed) == (413, "too_large", True)
        assert "999999999999" in problem["detail"]
        assert str(problem["limit_bytes"]) in problem["detail"]
    await ApiKeys(redis).create("mine", ["query"])
    status, problem, closed = await raw(gallery, f"POST /gallery/videos HTTP/1.1\n{HUGE}")
    assert (status, problem["code"], closed) == (401, "unauthorised", True)


async def test_the_content_type_is_checked_before_the_body(gallery: Api) -> None:
    head = "HTTP/1.1\nHost: localhost\nContent-Length: 100\nContent-Type: application/json"
    status, problem, _ = await raw(gallery, f"POST /query/image {head}")
    assert (status, problem["code"]) == (415, "unsupported_media_type")
    assert "application/json" in problem["detail"]
    assert problem["supported"] == ["multipart/form-data"]


async def test_a_refusal_reaches_a_client_that_sends_its_body_first(gallery: Api) -> None:
    async def endless() -> Any:
        for _ in range(40):
            yield bytes(65536)

    response = await gallery.http.post("/query/image", content=endless(), headers={"Content-Type": "text/plain"})
    assert response.status_code == 415


@pytest.mark.parametrize(("kind", "path"), [("query", "/query/image"), ("ingest", "/gallery/images")])
async def test_full_queues_answer_429_and_slots_come_back(
    settings: Settings, redis: Redis, worker: FakeWorker, kind: str, path: str
) -> None:
    small = settings.model_copy(update={"query_slots": 1, "ingest_slots": 1})
    async with serving(small) as api:
        records = await api.parts.active.get()
        slots = records.queries if kind == "query" else records.intake
        assert await slots.reserve("somebody", limit=1, ttl_s=60)
        refused = await api.http.post(path, files={"file": ("a.jpg", picture())})
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["code"] == f"{kind}_queue_full"
        await slots.release("somebody")

        # Each of these takes the only slot and must give it back.
        for content, wanted in ((b"no picture", 415), (picture(), 200 if kind == "query" else 201)):
            response = await api.http.post(path, params={"wait": 10}, files={"file": ("a.jpg", content)})
            assert response.status_code == wanted, response.text
            await eventually(lambda: _no_slots(redis, kind))


async def _no_slots(redis: Redis, kind: str) -> bool:
    return not await redis.exists(f"vills:{{{SPACE.id}}}:slots:{kind}")


async def test_an_open_api_answers_only_programs_of_this_machine(gallery: Api, redis: Redis) -> None:
    rebound = await gallery.http.get("/gallery/videos", headers={"Host": "evil.example:8000"})
    assert (rebound.status_code, rebound.json()["code"]) == (403, "untrusted_host")
    crossed = await gallery.http.get("/gallery/videos", headers={"Sec-Fetch-Site": "cross-site"})
    assert (crossed.status_code, crossed.json()["code"]) == (403, "cross_site")
    for host in ("localhost", "127.0.0.1:1", "[::1]:8000"):
        assert (await gallery.http.get("/gallery/videos", headers={"Host": host})).status_code == 200
    _, token = await ApiKeys(redis).create("mine", ["query"])
    headers = {"Host": "reid.example", "X-API-Key": token}
    assert (await gallery.http.get("/gallery/videos", headers=headers)).status_code == 200


async def test_beyond_loopback_the_first_start_makes_a_key(
    settings: Settings, redis: Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    public = settings.model_copy(update={"host": "0.0.0.0"})
    async with open_parts(public, str(settings.redis_url), "api-first"):
        pass
    path = settings.data_dir / "admin.key"
    token = path.read_text().strip()
    assert capsys.readouterr().out.count(token) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = await ApiKeys(redis).verify(token)
    assert key is not None
    assert key.scopes == {"admin"}
    async with open_parts(public, str(settings.redis_url), "api-second") as parts:
        assert len(await ApiKeys(redis).all()) == 1
        assert token not in capsys.readouterr().out
        assert not parts.settings.loopback_only


async def test_beyond_loopback_no_key_means_no_answer(settings: Settings, redis: Redis, worker: FakeWorker) -> None:
    async with serving(settings.model_copy(update={"host": "0.0.0.0"})) as api:
        for key in await ApiKeys(redis).all():
            await ApiKeys(redis).revoke(key.id)
        assert (await api.http.get("/gallery/videos")).status_code == 401
        assert (await api.http.get("/healthz")).status_code == 200


async def test_request_ids_are_kept_when_sane(gallery: Api) -> None:
    kept = await gallery.http.get("/healthz", headers={"X-Request-ID": "abc-1.2_3"})
    assert kept.headers["x-request-id"] == "abc-1.2_3"
    for strange in ("a b", "x" * 65, "<script>"):
        response = await gallery.http.get("/nothing", headers={"X-Request-ID": strange})
        assert response.headers["x-request-id"] not in ("", strange)
        assert response.json()["request_id"] == response.headers["x-request-id"]
