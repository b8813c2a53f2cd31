"""The client against a transport that answers as the service does: what it sends, what it makes of the answers."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.client import VillsClient, VillsError

Answer = Callable[[httpx.Request], httpx.Response]
JOB = {"id": "j1", "kind": "ingest", "item_id": "j1", "state": "done", "attempts": 1, "gallery_version": 7}


def client(answer: Answer, *, retry_for_s: float = 5.0, api_key: str | None = None) -> VillsClient:
    transport = httpx.MockTransport(answer)
    return VillsClient("http://vills", api_key=api_key, retry_for_s=retry_for_s, transport=transport)


def problem(status: int, code: str, retry_after: str | None = None) -> httpx.Response:
    headers = {"content-type": "application/problem+json", "x-request-id": "r-1"}
    if retry_after is not None:
        headers["retry-after"] = retry_after
    body = {"code": code, "status": status, "detail": f"the detail of {code}", "limit_bytes": 5}
    return httpx.Response(status, headers=headers, json=body)


def form(request: httpx.Request) -> dict[str, list[bytes]]:
    """The parts of a multipart body, by name."""
    boundary = request.headers["content-type"].partition("boundary=")[2].encode()
    parts: dict[str, list[bytes]] = {}
    for part in request.read().split(b"--" + boundary)[1:-1]:
        head, _, content = part.strip(b"\r\n").partition(b"\r\n\r\n")
        parts.setdefault(head.split(b'name="')[1].split(b'"')[0].decode(), []).append(content)
    return parts


def test_a_refusal_is_one_error_with_all_its_fields() -> None:
    with client(lambda _: problem(413, "too_large"), api_key="vills_a_b") as vills, pytest.raises(VillsError) as caught:
        vills.version()
    error = caught.value
    assert (error.status, error.code, error.detail) == (413, "too_large", "the detail of too_large")
    assert (error.request_id, error.retry_after_s) == ("r-1", None)
    assert error.problem["limit_bytes"] == 5
    assert "the detail of too_large" in str(error)


def test_an_answer_that_is_no_problem_is_an_error_all_the_same() -> None:
    """A proxy in between answers in HTML."""
    with client(lambda _: httpx.Response(502, text="<html>")) as vills, pytest.raises(VillsError) as caught:
        vills.version()
    assert (caught.value.status, caught.value.code) == (502, "http_error")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (json.dumps(JOB | {"created_at": "yesterday"}), "created_at of a Job is 'yesterday'"),
        (json.dumps({"id": "j1"}), "kind of a Job"),
        ("[]", "a list in place of a JSON object"),
        ("<html>", "gave no JSON"),
    ],
)
def test_an_answer_that_cannot_be_read_is_the_clients_own_error(body: str, told: str) -> None:
    """Bug: a record with a bad time ended in a traceback of the library that reads it."""
    with client(lambda _: httpx.Response(200, text=body)) as vills, pytest.raises(VillsError) as caught:
        vills.job("j1")
    assert (caught.value.code, caught.value.status) == ("unreadable_answer", 0)
    assert told in caught.value.detail


def test_a_page_that_cannot_be_read_is_the_clients_own_error() -> None:
    """Bug: the same, for lists."""
    with client(lambda _: httpx.Response(200, json={})) as vills, pytest.raises(VillsError, match="items of a Page"):
        list(vills.jobs())


def test_the_key_goes_along() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("authorization", ""))
        return httpx.Response(200, json={"version": "1"})

    with client(answer, api_key="vills_a_b") as with_key, client(answer) as without:
        with_key.version()
        without.version()
    assert seen == ["Bearer vills_a_b", ""]


@pytest.mark.parametrize("status", [429, 503])
def test_busy_answers_are_tried_again_with_the_same_idempotency_key_and_the_whole_file(
    status: int, tmp_path: Path
) -> None:
    path = tmp_path / "walk.mp4"
    path.write_bytes(b"moving" * 50_000)
    seen: list[tuple[str, bytes]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.headers["idempotency-key"], form(request)["file"][0]))
        return problem(status, "busy", "0") if len(seen) < 3 else httpx.Response(202, json=JOB | {"job_id": "j1"})

    with client(answer) as vills:
        assert vills.upload_video(path).item_id == "j1"
    assert [content for _, content in seen] == [path.read_bytes()] * 3
    assert len({key for key, _ in seen}) == 1


@pytest.mark.parametrize(("retry_after", "retry_for_s"), [(None, 5.0), ("0", 0.0), ("60", 5.0)])
def test_busy_answers_are_raised_when_trying_again_is_not_asked_for_or_takes_too_long(
    retry_after: str | None, retry_for_s: float
) -> None:
    calls = count()

    def answer(_: httpx.Request) -> httpx.Response:
        next(calls)
        return problem(503, "busy", retry_after)

    with client(answer, retry_for_s=retry_for_s) as vills, pytest.raises(VillsError) as caught:
        vills.version()
    assert caught.value.status == 503
    assert next(calls) == 1


def test_a_lost_connection_is_tried_again_only_where_twice_does_no_harm() -> None:
    calls = count()

    def answer(_: httpx.Request) -> httpx.Response:
        if next(calls) == 0:
            raise httpx.ReadError("connection reset")
        return httpx.Response(200, json=JOB)

    with client(answer) as vills:
        assert vills.job("j1").state == "done"
    calls = count()
    with client(answer) as vills, pytest.raises(VillsError, match=r"gave no answer.*is it running there") as caught:
        vills.retry_job("j1")
    assert (caught.value.status, caught.value.code) == (0, "unreachable")


def test_an_upload_says_all_it_was_told() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        request.read()
        seen.append(request)
        return httpx.Response(201, json=JOB | {"job_id": "j1"})

    with client(answer) as vills:
        upload = vills.upload_image(
            b"pixels",
            camera_id="door",
            captured_at=datetime(2026, 5, 4, 10, 30, tzinfo=UTC),
            tags={"shift": "night"},
            idempotency_key="mine",
            wait=5,
        )
    assert (upload.searchable, upload.gallery_version) == (True, 7)
    (request,) = seen
    assert request.url.path == "/gallery/images"
    assert float(request.url.params["wait"]) == 5
    assert request.headers["idempotency-key"] == "mine"
    parts = form(request)
    assert parts["camera_id"] == [b"door"]
    assert parts["captured_at"] == [b"2026-05-04T10:30:00+00:00"]
    assert json.loads(parts["tags"][0]) == {"shift": "night"}
    assert parts["file"] == [b"pixels"]
    assert request.read().find(b'name="file"') > request.read().find(b'name="tags"')


def test_a_time_without_a_zone_is_refused_before_anything_is_sent() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise AssertionError("nothing should be sent")

    with client(answer) as vills, pytest.raises(ValueError, match="time zone"):
        vills.upload_image(b"x", captured_at=datetime(2026, 5, 4))


def test_a_long_wait_for_an_upload_is_several_requests() -> None:
    paths: list[str] = []
    states = iter(["queued", "running", "done"])

    def answer(request: httpx.Request) -> httpx.Response:
        request.read()
        paths.append(f"{request.method} {request.url.path}")
        return httpx.Response(202, json=JOB | {"job_id": "j1", "state": next(states), "gallery_version": None})

    with client(answer) as vills:
        assert vills.upload_video(b"x", wait=100).searchable
    assert paths == ["POST /gallery/videos", "GET /jobs/j1", "GET /jobs/j1"]


def test_waiting_for_a_job_raises_what_it_died_of() -> None:
    dead = JOB | {"state": "dead", "error": {"code": "media_damaged", "status": 422, "detail": "cut short"}}
    with client(lambda _: httpx.Response(200, json=dead)) as vills, pytest.raises(VillsError) as caught:
        vills.wait_for("j1", 5)
    assert (caught.value.code, caught.value.status, caught.value.detail) == ("media_damaged", 422, "cut short")


def test_waiting_for_a_cancelled_job_raises() -> None:
    gone = JOB | {"state": "cancelled"}
    with client(lambda _: httpx.Response(200, json=gone)) as vills, pytest.raises(VillsError, match="was cancelled"):
        vills.wait_for("j1", 5)


def test_waiting_ends_when_its_time_is_over() -> None:
    queued = JOB | {"state": "queued"}
    with client(lambda _: httpx.Response(200, json=queued)) as vills, pytest.raises(TimeoutError, match="still queued"):
        vills.wait_for("j1", 0)


def pages(items: list[dict[str, Any]], size: int) -> Answer:
    """Answers as a list route does, `size` items a page."""

    def answer(request: httpx.Request) -> httpx.Response:
        first = int(request.url.params.get("cursor", 0))
        following = first + size
        cursor = str(following) if following < len(items) else None
        return httpx.Response(200, json={"items": items[first:following], "next_cursor": cursor})

    return answer


@pytest.mark.parametrize("n_items", [0, 1, 3, 7])
def test_every_item_comes_once_over_all_pages(n_items: int) -> None:
    items = [{"id": str(place), "kind": "video", "status": "ready", "new_member": 1} for place in range(n_items)]
    with client(pages(items, 3)) as vills:
        assert [item.id for item in vills.items("video")] == [item["id"] for item in items]


def test_pages_are_asked_for_as_they_are_needed_and_with_every_filter() -> None:
    seen: list[httpx.QueryParams] = []
    items = [{"id": str(place), "kind": "image", "status": "ready"} for place in range(4)]

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.params)
        return pages(items, 2)(request)

    with client(answer) as vills:
        found: Iterator[Any] = vills.items(
            "image", camera_id="a b", from_=datetime(2026, 1, 1, tzinfo=UTC), status="ready", tags={"x": "y"}
        )
        assert seen == []
        next(found)
        assert len(seen) == 1
        assert len(list(found)) == 3
    for params in seen:
        assert params["camera_id"] == "a b"
        assert params["from"] == "2026-01-01T00:00:00+00:00"
        assert params["status"] == "ready"
        assert json.loads(params["tags"]) == {"x": "y"}


def test_a_query_takes_several_files_of_one_person(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"first")
    seen: list[dict[str, list[bytes]]] = []
    hit = {"track_id": "t-0000", "item_id": "t", "kind": "video", "score": 0.5, "box": [1, 2, 3, 4], "start": None}
    answer_body = {"query_id": "q", "space": "s", "gallery_version": 3, "partial": False}

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(form(request))
        return httpx.Response(200, json=answer_body | {"timings_ms": {"total": 4.5}, "hits": [hit]})

    with client(answer) as vills:
        result = vills.query_image([tmp_path / "a.jpg", b"second"], k=3, camera_ids=["c1", "c2"], box=(1, 2, 3, 4))
    assert seen[0]["file"] == [b"first", b"second"]
    assert seen[0]["camera_id"] == [b"c1", b"c2"]
    assert seen[0]["box"] == [b"1,2,3,4"]
    assert seen[0]["k"] == [b"3"]
    assert set(seen[0]) == {"file", "camera_id", "box", "k"}
    assert result.hits[0].box == (1, 2, 3, 4)
    assert result.timings_ms["total"] == 4.5


def test_readiness_is_an_answer_not_an_error() -> None:
    with client(lambda _: httpx.Response(503, json={"reasons": ["no worker"]})) as vills:
        state = vills.ready()
    assert (state.ready, state.reasons) == (False, ("no worker",))


def test_a_part_of_the_media_is_asked_for_by_its_bytes() -> None:
    seen: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("range"))
        return httpx.Response(206, content=b"abc")

    with client(answer) as vills:
        vills.media("video", "i")
        vills.media("video", "i", start=5)
        vills.media("video", "i", start=5, length=3)
    assert seen == [None, "bytes=5-", "bytes=5-7"]
