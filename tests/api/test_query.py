"""Questions and the ways in which they go unanswered."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from index.records.queries import Queries
from service.api.uploads import QUERY_BODY_S
from service.settings import Settings
from tests.api.conftest import Api, eventually, serving
from tests.api.fake_worker import SPACE, FakeWorker
from tests.api.samples import BLUE, RED, clip, picture


async def no_trace(api: Api) -> bool:
    """No entry, no slot, no crops, no scratch file."""
    waiting = await api.redis.xlen(f"vills:{{{SPACE.id}}}:query")
    slots = await api.redis.zcard(f"vills:{{{SPACE.id}}}:slots:query")
    return waiting == 0 and slots == 0 and not api.files()


async def test_several_files_are_one_person(gallery: Api, worker: FakeWorker) -> None:
    files = [("file", ("a.jpg", picture(RED))), ("file", ("b.jpg", picture(BLUE)))]
    answer = await gallery.http.post("/query/image", files=files, data={"k": "3"})
    assert answer.status_code == 200, answer.text
    [task] = worker.asked
    assert (task.lengths, task.groups, task.k) == ([1, 1], [1, 1], 3)
    assert worker.shapes == [(2, 1, SPACE.height, SPACE.width, 3)]

    clips = [("file", ("a.mp4", clip(frames=6))), ("file", ("b.mp4", clip(frames=3)))]
    assert (await gallery.http.post("/query/video", files=clips)).status_code == 200
    assert (worker.asked[1].lengths, worker.asked[1].groups) == ([4, 2, 3], [2, 1])
    await eventually(lambda: no_trace(gallery))


async def test_the_box_is_cut_out_first(gallery: Api, worker: FakeWorker) -> None:
    assert (await gallery.ask(picture(), box="4,8,16,32")).status_code == 200
    assert worker.shapes == [(1, 1, SPACE.height, SPACE.width, 3)]


async def test_timings_and_version_are_told(gallery: Api, worker: FakeWorker) -> None:
    await gallery.added("image", picture(RED))
    body = (await gallery.ask(picture(RED), min_version="1")).json()
    assert set(body["timings_ms"]) == {"decode", "queue", "encode", "search", "metadata", "total"}
    assert body["timings_ms"]["total"] >= body["timings_ms"]["decode"] > 0
    assert (body["gallery_version"], body["space"], body["partial"]) == (1, SPACE.id, False)
    assert worker.asked[0].min_version == 1


async def test_no_answer_by_the_deadline(settings: Settings, redis: Redis, worker: FakeWorker) -> None:
    async with serving(settings.model_copy(update={"query_deadline_s": 0.2})) as api:
        worker.idle.clear()
        late = await api.ask()
        assert (late.status_code, late.json()["code"]) == (503, "query_deadline")
        assert int(late.headers["retry-after"]) >= 1
        await eventually(lambda: no_trace(api))


async def test_a_workers_refusal_is_the_answer(gallery: Api, worker: FakeWorker) -> None:
    worker.refuses = {"ok": False, "status": 503, "code": "index_not_ready", "detail": "it is rebuilt: try again"}
    refused = await gallery.ask()
    assert (refused.status_code, refused.json()["code"]) == (503, "index_not_ready")
    assert "retry-after" in refused.headers
    await eventually(lambda: no_trace(gallery))


async def test_no_worker_is_said_before_the_body(api: Api) -> None:
    for path in ("/query/image", "/gallery/images"):
        refused = await api.http.post(path, files={"file": ("a.jpg", picture())})
        assert (refused.status_code, refused.json()["code"]) == (503, "no_worker"), refused.text
        assert "start a worker" in refused.json()["detail"]
    assert await api.keys() == set()
    assert api.files() == set()


async def test_a_worker_that_is_not_ready_answers_nothing(gallery: Api, worker: FakeWorker) -> None:
    await worker.report(ready=False)

    async def refused() -> bool:
        response = await gallery.ask()
        return response.status_code == 503 and response.json()["code"] == "index_not_ready"

    await eventually(refused)


async def test_a_client_that_leaves_takes_its_query_along(gallery: Api, worker: FakeWorker, redis: Redis) -> None:
    worker.idle.clear()
    asking = asyncio.create_task(gallery.ask())

    async def submitted() -> bool:
        return bool(await redis.xlen(f"vills:{{{SPACE.id}}}:query"))

    await eventually(submitted)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await eventually(lambda: no_trace(gallery))


async def test_two_apis_get_their_own_answers(settings: Settings, redis: Redis, worker: FakeWorker) -> None:
    async with serving(settings) as one, serving(settings) as two:
        red = await one.added("image", picture(RED))
        blue = await two.added("image", picture(BLUE))
        asked = [(api, colour) for api in (one, two) for colour in (RED, BLUE)] * 5
        answers = await asyncio.gather(*(api.ask(picture(colour), k="1") for api, colour in asked))
        for (_, colour), answer in zip(asked, answers, strict=True):
            assert answer.json()["hits"][0]["item_id"] == (red if colour == RED else blue)
        assert len(worker.asked) == len({task.id for task in worker.asked}) == len(asked)
        assert {task.reply_to for task in worker.asked} == {one.parts.process, two.parts.process}
        counts = [await _count(api, "/query/image") for api in (one, two)]
        assert sum(counts) == len(asked)
        assert await Queries(redis, SPACE.id).reserve("all free", limit=1, ttl_s=1)


async def test_a_search_is_logged_with_who_and_what_for_and_never_the_picture(gallery: Api) -> None:
    with capture_logs() as lines:
        body = (await gallery.ask(picture(RED), camera_id="door", k="3")).json()

        async def answered_line() -> list[MutableMapping[str, Any]]:
            return [line for line in lines if line["event"] == "request"]

        [answered] = await eventually(answered_line)
    [searched] = [line for line in lines if line["event"] == "query"]
    assert searched["query_id"] == body["query_id"]
    assert (searched["key"], searched["k"], searched["hits"]) == ("open", 3, 0)
    assert searched["filters"] == {"k": 3, "camera_id": ["door"]}
    assert (answered["route"], answered["status"], answered["method"]) == ("/query/image", 200, "POST")
    assert answered["request_id"] == searched["request_id"]


async def _count(api: Api, route: str) -> float:
    wanted = f'vills_requests_total{{method="POST",route="{route}",status="200"}} '
    text = (await api.http.get("/metrics")).text
    return sum(float(line.removeprefix(wanted)) for line in text.splitlines() if line.startswith(wanted))


async def test_a_body_that_trickles_is_given_up_before_its_slot(gallery: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    # Bug: a byte now and then kept the request alive for ever, long after its slot had expired and was another's.
    monkeypatch.setattr("service.api.uploads.QUERY_BODY_S", 0.3)
    url = httpx.URL(gallery.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = "POST /query/image HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"
    writer.write(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n".encode())
    writer.write(b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n')

    async def trickle() -> None:
        while True:
            writer.write(b"a")
            await asyncio.sleep(0.02)

    async def expiry() -> list[Any]:
        return list(await gallery.redis.zrange(f"vills:{{{SPACE.id}}}:slots:query", 0, -1, withscores=True))

    trickling = asyncio.create_task(trickle())
    try:
        [(_, expires_ms)] = await eventually(expiry)
        seconds, _ = await gallery.redis.time()
        # The slot lasts for the longest body and for the longest answer after it.
        assert expires_ms / 1000 - seconds > QUERY_BODY_S + gallery.parts.settings.query_deadline_s
        answer = await reader.readuntil(b"\r\n\r\n") + await reader.readuntil(b"}")
    finally:
        trickling.cancel()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"upload_too_slow" in answer
    await eventually(lambda: no_trace(gallery))
