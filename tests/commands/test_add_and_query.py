"""Uploading many files and showing an answer, without a service."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from service.client import Hit, QueryResult, VillsClient, VillsError
from service.commands.adding import add_files
from service.commands.asking import as_json, as_table, ask
from service.commands.failures import UserError
from service.commands.media_files import MediaFile


def client(answer: Callable[[httpx.Request], httpx.Response]) -> VillsClient:
    return VillsClient("http://vills", retry_for_s=0.0, transport=httpx.MockTransport(answer))


def files(tmp_path: Path, n_files: int) -> list[MediaFile]:
    paths = [tmp_path / f"{place}.jpg" for place in range(n_files)]
    for path in paths:
        path.write_bytes(b"pixels")
    return [MediaFile(path, "image" if place % 2 else "video") for place, path in enumerate(paths)]


def job(job_id: str, state: str) -> dict[str, object]:
    error = {"code": "media_damaged", "status": 422, "detail": "cut short"} if state == "dead" else None
    return {"id": job_id, "job_id": job_id, "kind": "ingest", "item_id": job_id, "state": state, "error": error}


def test_refused_files_do_not_keep_the_others_out(tmp_path: Path) -> None:
    """One is refused at the door, one dies later, one is not done in time."""
    paths: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            job_id = request.url.path.rpartition("/")[2]
            return httpx.Response(200, json=job(job_id, {"0": "done", "1": "dead", "2": "queued"}[job_id]))
        paths.append(request.url.path)
        if len(paths) == 4:
            return httpx.Response(415, json={"code": "media_unsupported", "status": 415, "detail": "no picture"})
        return httpx.Response(202, json=job(str(len(paths) - 1), "queued"))

    steps: list[None] = []
    with client(answer) as vills:
        outcome = add_files(vills, files(tmp_path, 4), {}, wait_s=0.05, step=lambda: steps.append(None))
    assert paths == ["/gallery/videos", "/gallery/images", "/gallery/videos", "/gallery/images"]
    assert (outcome.accepted, outcome.searchable) == (3, 1)
    assert outcome.refused == [(tmp_path / "3.jpg", "no picture"), (tmp_path / "1.jpg", "cut short")]
    assert len(steps) == 4 + 3


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_opens_nothing_ends_it(tmp_path: Path, status: int) -> None:
    with (
        client(lambda _: httpx.Response(status, json={"code": "x", "detail": "no"})) as vills,
        pytest.raises(VillsError),
    ):
        add_files(vills, files(tmp_path, 2), {}, wait_s=0.0, step=lambda: None)


def test_pictures_and_clips_are_two_questions(tmp_path: Path) -> None:
    with client(lambda _: httpx.Response(500)) as vills, pytest.raises(UserError, match="ask twice"):
        ask(vills, files(tmp_path, 2), {})


HITS = (
    Hit(
        "t-0000",
        "t",
        "video",
        0.91234,
        camera_id="door",
        start=datetime(2026, 5, 4, 10, 30, tzinfo=UTC),
        end=datetime(2026, 5, 4, 10, 31, tzinfo=UTC),
    ),
    Hit("u-0000", "u", "video", 0.5, offset_start_s=0.0, offset_end_s=2.25),
    Hit("v-0000", "v", "image", -0.25),
)


def test_an_answer_is_a_table_for_people() -> None:
    lines = as_table(QueryResult("q", "s", 9, True, {"total": 12.3}, HITS)).splitlines()
    assert lines[1].split() == ["1", "0.912", "door", "2026-05-04", "10:30:00", "-", "10:31:00", "t-0000"]
    assert lines[2].split() == ["2", "0.500", "-", "0.0", "s", "-", "2.2", "s", "u-0000"]
    assert lines[3].split() == ["3", "-0.250", "-", "-", "v-0000"]
    assert lines[4].startswith("3 hits in 12 ms at gallery version 9 (partial")


def test_an_answer_is_json_for_programs() -> None:
    shown = json.loads(as_json(QueryResult("q", "s", 9, False, {}, HITS)))
    assert [hit["track_id"] for hit in shown["hits"]] == ["t-0000", "u-0000", "v-0000"]
    assert shown["hits"][0]["score"] == 0.91234
